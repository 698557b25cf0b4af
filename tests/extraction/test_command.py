"""`featviz extract`: one table a checkpoint, and bad input in one line."""

import pytest
import torch

from featviz import cli
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import read_features
from featviz.extraction import FRONT_END_LAYERS, Settings, extract, extract_checkpoints
from featviz.sketches.sketch_set import read_sketches
from tests.extraction.making import Folder, generator, small, write_checkpoint, write_sketches


def test_each_checkpoint_gives_one_file_with_its_provenance(tmp_path):
    whole = write_checkpoint(tmp_path / "run" / "generator.safetensors", "modified")
    front = write_checkpoint(tmp_path / "front.safetensors", network=generator().front_end)
    sketches = Folder(tmp_path / "drawn", small())
    out = tmp_path / "features"
    results = list(extract_checkpoints([whole.parent, front], sketches, out, Settings(((5, 6),))))
    assert [result.path for result in results] == [out / "run.parquet", out / "front.parquet"]
    names = ["front.parquet", "manifest.json", "run.parquet"]
    assert sorted(path.name for path in out.iterdir()) == names
    table = read_features(out / "run.parquet")
    assert table.rows["group"].tolist() == ["G1", "G2", "G1", "G2"]
    kept = {key: table.metadata[key] for key in ("checkpoint", "variant", "step", "sketches")}
    assert kept == {"checkpoint": "run", "variant": "modified", "step": 7, "sketches": "drawn"}
    assert table.metadata["architecture"]["width"] == 3
    assert len(table.metadata["digest"]) == 64
    direct = extract(generator("modified"), small(), [(5, 6)])
    assert table.vectors["L4"].tobytes() == direct.vectors["L4"].tobytes()
    baseline = extract(generator(), small(), [(5, 6)])
    front_table = read_features(out / "front.parquet")
    assert front_table.vectors["L4"].tobytes() == baseline.vectors["L4"].tobytes()


def test_what_is_wrong_with_the_last_checkpoint_is_told_before_anything_is_written(tmp_path):
    good = write_checkpoint(tmp_path / "a" / "generator.safetensors")
    broken = generator()
    broken.output.conv.bias.data[0] = torch.nan
    nan = write_checkpoint(tmp_path / "nan.safetensors", network=broken)
    truncated = tmp_path / "truncated.safetensors"
    truncated.write_bytes(good.read_bytes()[:1000])
    sketches, out = Folder(tmp_path, small()), tmp_path / "features"
    for last, message in [
        (tmp_path / "a", "is given twice"),
        (nan, r"nan\.safetensors: weight 'output.conv.bias' holds NaN"),
        (truncated, "truncated.safetensors: cannot read"),
        ("nowhere", "no checkpoint 'nowhere'"),
    ]:
        with pytest.raises(FeatvizError, match=message):
            list(extract_checkpoints([good, last], sketches, out, Settings(((5, 6),))))
    with pytest.raises(FeatvizError, match="unknown layer 'L9'"):
        list(extract_checkpoints([good], sketches, out, Settings(((5, 6),), ("L9",))))
    assert not out.exists()


def test_the_command_writes_a_table_for_several_points_and_says_so(tmp_path, capsys):
    write_checkpoint(tmp_path / "mine.safetensors", "modified")
    write_sketches(tmp_path / "sketches")
    command = f"extract {tmp_path}/mine.safetensors --sketches {tmp_path}/sketches --size 64"
    options = f"--out {tmp_path}/f --stage conv --layers L0 L1 --point 5 6 --point 63 0"
    cli.main([*command.split(), *options.split()])
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{tmp_path}/f/mine.parquet: 8 rows (4 sketches, 2 points), L0, L1"]
    table = read_features(tmp_path / "f" / "mine.parquet")
    assert table.points == ((5, 6), (63, 0))
    assert table.groups == ("G1", "G2")
    assert (table.metadata["stage"], table.metadata["sketches"]) == ("conv", "sketches")
    cli.main([*command.split(), "--out", str(tmp_path / "alone"), "--point", "63", "0"])
    alone = read_features(tmp_path / "alone" / "mine.parquet")
    assert alone.layers == FRONT_END_LAYERS
    direct = extract(
        generator("modified"), list(read_sketches(tmp_path / "sketches", 64).images()), [(63, 0)]
    )
    assert alone.vectors["L3"].tobytes() == direct.vectors["L3"].tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "no checkpoint given"),
        (
            "--layers L0 L1 mine.safetensors",
            "no checkpoint given; name checkpoints before --layers, which takes all that follows "
            "(L0 L1 mine.safetensors)",
        ),
        ("mine.safetensors --sketches nowhere", "nowhere does not exist; expected a folder"),
        ("nowhere.safetensors", "no checkpoint 'nowhere.safetensors'"),
        ("mine.safetensors --layers L7", "unknown layer 'L7'; this generator has L0, L1"),
        ("mine.safetensors --point 64 0", "(64, 0) lies outside the image of 64x64"),
        ("mine.safetensors --sketches empty", "empty holds no sketches"),
        ("mine.safetensors --size 32", "is 64x64; expected 32x32"),
        ("mine.safetensors --sketches corrupt", "0.png"),
    ],
)
def test_bad_input_ends_the_command_with_one_line_and_2_and_nothing_written(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "mine.safetensors")
    write_sketches(tmp_path / "sketches")
    (tmp_path / "empty").mkdir()
    write_sketches(tmp_path / "corrupt")
    last = tmp_path / "corrupt" / "G1" / "0.png"
    last.write_bytes(last.read_bytes()[:50])
    size = [] if "--size" in arguments else ["--size", "64"]
    point = [] if "--point" in arguments else ["--point", "5", "6"]
    with pytest.raises(SystemExit) as caught:
        cli.main(["extract", *arguments.split(), *size, *point])
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "features").exists()


def test_without_the_repositorys_sketches_the_command_says_where_they_are(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "mine.safetensors")
    with pytest.raises(SystemExit) as caught:
        cli.main(["extract", "mine.safetensors"])
    error = capsys.readouterr().err
    assert caught.value.code == 2
    assert error.count("\n") == 1
    assert "there is no folder 'sketches' here" in error
    assert "repository" in error
    assert "--sketches FOLDER" in error
    assert [path.name for path in tmp_path.iterdir()] == ["mine.safetensors"]


def test_the_command_takes_the_engine(tmp_path, capsys):
    write_checkpoint(tmp_path / "mine.safetensors", "modified")
    write_sketches(tmp_path / "sketches")
    command = f"extract {tmp_path}/mine.safetensors --sketches {tmp_path}/sketches --size 64"
    for engine in ("dense", "sparse"):
        out = tmp_path / engine
        cli.main([*command.split(), "--point", "5", "6", "--engine", engine, "--out", str(out)])
        assert read_features(out / "mine.parquet").metadata["engine"] == engine
    capsys.readouterr()


def test_patterns_of_a_checkpoint_are_taken_and_its_table_is_kept_when_they_are_asked_again(
    tmp_path, capsys
):
    write_checkpoint(tmp_path / "mine.safetensors", "modified")
    write_sketches(tmp_path / "sketches")
    command = f"extract {tmp_path}/mine.safetensors --sketches {tmp_path}/sketches --size 64"
    words = [*command.split(), "--point", "5", "6", "--out", str(tmp_path / "f")]
    cli.main([*words, "--layers", "front_end.L?", "R0"])
    first = capsys.readouterr().out
    assert first.endswith(", ".join(f"front_end.L{number}" for number in range(5)) + ", R0\n")
    cli.main([*words, "--layers", "front_end.L?", "R0"])
    assert capsys.readouterr().out == first.replace("\n", "; was there already\n")
    with pytest.raises(SystemExit):
        cli.main([*words, "--layers", "front_end.*", "R0"])
    assert "has layers front_end.L? R0; asked for front_end.* R0" in capsys.readouterr().err
