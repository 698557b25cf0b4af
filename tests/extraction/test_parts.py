import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import describe_features, read_features
from featviz.base.provenance import fingerprint
from featviz.extraction import FRONT_END_LAYERS, Settings, extract_checkpoints
from featviz.extraction.jobs import load_for, plan_jobs
from featviz.extraction.parts import (
    Division,
    finish,
    make_part,
    missing_parts,
    parts_folder,
    remove_parts,
)
from featviz.generators.checkpoint_files import save_network
from featviz.generators.networks.unet import Unet, UnetArchitecture
from featviz.sketches.sketch_set import SketchSet, read_sketches
from tests.extraction.small import POINT, SIZE, write_checkpoint, write_sketches

SETTINGS = Settings((POINT,), engine="dense")
DIVISION = Division(total=11, size=4)


@pytest.fixture
def sketches(tmp_path):
    return read_sketches(write_sketches(tmp_path / "drawn", 11), SIZE)


@pytest.fixture
def job(tmp_path, sketches):
    checkpoint = write_checkpoint(tmp_path / "net.safetensors")
    (job,) = plan_jobs([checkpoint], tmp_path / "out", SETTINGS, fingerprint(sketches))
    return job


@pytest.mark.parametrize(("levels", "layers"), [(3, ["L0", "L1", "L2"]), (6, [*FRONT_END_LAYERS])])
def test_of_a_u_net_what_it_has_of_l0_to_l4_is_read_if_nothing_is_named(tmp_path, levels, layers):
    path = tmp_path / "unet.safetensors"
    save_network(Unet(UnetArchitecture(levels, 1)), path, "generator", {}, torch.float32)
    (job,) = plan_jobs([path], tmp_path / "out", SETTINGS, "0")
    assert job.request["layers"] == layers


def make(job, sketches, numbers, settings=SETTINGS):
    loaded = load_for(job, settings)
    for number in numbers:
        start, stop = DIVISION.rows(number)
        rows = sketches.index.iloc[start:stop].reset_index(drop=True)
        of_part = SketchSet(sketches.folder, rows, SIZE)
        make_part(job, settings, DIVISION, number, of_part, loaded)


def test_parts_cover_every_sketch_once():
    for total in (1, 4, 7, 8, 9):
        division = Division(total, 4)
        rows = [row for number in range(len(division)) for row in range(*division.rows(number))]
        assert rows == list(range(total))


def test_parts_made_in_any_order_become_the_table_of_one_piece(tmp_path, job, sketches):
    assert missing_parts(job, SETTINGS, DIVISION) == [0, 1, 2]
    make(job, sketches, [2, 0])
    assert missing_parts(job, SETTINGS, DIVISION) == [1]
    with pytest.raises(FeatvizError, match="not a complete feature table: 2 files; expected the 3"):
        finish(job, DIVISION)
    assert not job.path.exists()
    make(job, sketches, [1])
    finish(job, DIVISION)
    assert [path.name for path in job.path.parent.iterdir()] == ["net.parquet"]
    (whole,) = extract_checkpoints([job.source], sketches, tmp_path / "one", SETTINGS)
    table, other = read_features(job.path), read_features(whole.path)
    assert table.rows.equals(other.rows)
    assert {**table.metadata} == {**other.metadata}
    for layer in table.layers:
        assert table.vectors[layer].tobytes() == other.vectors[layer].tobytes()
    assert describe_features(job.path).rows == 11
    assert len(pd.read_parquet(job.path)) == 11


def test_a_part_that_is_damaged_or_of_other_settings_is_missing(job, sketches):
    make(job, sketches, [0, 1, 2])
    folder = parts_folder(job, DIVISION)
    (folder / "part-000001.parquet").write_bytes(b"PAR1")
    shutil.copy(folder / "part-000000.parquet", folder / "part-000002.parquet")
    assert missing_parts(job, SETTINGS, DIVISION) == [1, 2]
    other = Settings((POINT,), engine="dense", stage="conv")
    asked = {**job.request, "stage": "conv"}
    changed = type(job)(job.source, job.file, job.name, job.path, asked)
    assert parts_folder(changed, DIVISION) != folder
    assert missing_parts(changed, other, DIVISION) == [0, 1, 2]
    remove_parts(changed, keep=parts_folder(changed, DIVISION))
    assert not folder.exists()


def test_a_folder_with_a_part_too_few_or_of_another_table_is_refused(job, sketches, tmp_path):
    make(job, sketches, [0, 1, 2])
    finish(job, DIVISION)
    part = job.path / "part-000002.parquet"
    kept = part.read_bytes()
    part.unlink()
    with pytest.raises(FeatvizError, match="not a complete feature table: 2 files"):
        read_features(job.path)
    write_checkpoint(tmp_path / "net.safetensors", seed=3)
    (other,) = plan_jobs([job.source], tmp_path / "other", SETTINGS, "0")
    make(other, sketches, [2])
    shutil.copy(parts_folder(other, DIVISION) / part.name, part)
    for read in (read_features, describe_features):
        with pytest.raises(FeatvizError, match="its parts are of different tables: 'digest'"):
            read(job.path)
    part.write_bytes(kept)
    assert len(read_features(job.path)) == 11
    (job.path / "empty").mkdir()
    with pytest.raises(FeatvizError, match="a folder without part"):
        read_features(job.path / "empty")


def test_a_file_takes_a_folders_place_and_a_folder_a_files(job, sketches, tmp_path):
    make(job, sketches, [0, 1, 2])
    finish(job, DIVISION)
    folder = read_features(job.path)
    write_checkpoint(tmp_path / "net.safetensors", seed=3)
    (result,) = extract_checkpoints([job.source], sketches, tmp_path / "out", SETTINGS, True)
    assert result.path == job.path
    assert job.path.is_file()
    file = read_features(job.path)
    assert not np.array_equal(file.vectors["L4"], folder.vectors["L4"])
    (again,) = plan_jobs([job.source], tmp_path / "out", SETTINGS, fingerprint(sketches))
    make(again, sketches, [0, 1, 2])
    finish(again, DIVISION)
    assert job.path.is_dir()
    assert np.array_equal(read_features(job.path).vectors["L4"], file.vectors["L4"])
    assert sorted(path.name for path in job.path.parent.iterdir()) == [
        "manifest.json",
        "net.parquet",
    ]


def test_a_table_put_aside_by_a_call_that_was_killed_comes_back(job, sketches, tmp_path):
    make(job, sketches, [0, 1, 2])
    finish(job, DIVISION)
    job.path.rename(job.path.with_name(".net.parquet.old"))
    write_checkpoint(tmp_path / "net.safetensors", seed=3)
    torch.manual_seed(0)
    with pytest.raises(FeatvizError, match="another checkpoint file"):
        list(extract_checkpoints([job.source], sketches, tmp_path / "out", SETTINGS))
    assert len(read_features(job.path)) == 11
