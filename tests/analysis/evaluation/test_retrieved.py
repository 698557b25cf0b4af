from dataclasses import replace

import pytest

from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.faces.pairs import write_pairs
from featviz.retrieval.database import build_database
from featviz.sketches.sketch_set import read_sketches


@pytest.fixture(scope="module")
def base(pairs, tmp_path_factory):
    """A data base of the very faces that are held out."""
    folder = tmp_path_factory.mktemp("retrieved")
    (folder / "photos").symlink_to(pairs.folder / "photos")
    faces = replace(pairs, folder=folder, splits=("train",) * len(pairs))
    write_pairs(faces)
    build_database(faces, folder / "base")
    return folder / "base"


def test_a_data_base_is_measured_beside_checkpoints(base, checkpoint, held_out, pytestconfig):
    sketches = read_sketches(pytestconfig.rootpath / "sketches").of_groups("G8")
    settings = EvaluationSettings(("quality", "locality"), 3, edits=1, size=64, lpips_size=32)
    table, _ = evaluate([base, checkpoint], settings, held_out, sketches)
    assert table.checkpoints == ("tiny", "base")
    # It holds the photos of the contours that it is given.
    found = {
        name: table.estimate(checkpoint=name, part="quality", measure="lpips").value
        for name in table.checkpoints
    }
    assert found["base"] < 0.01 < found["tiny"]
    assert table.estimate(checkpoint="base", part="quality", measure="ssim").value > 0.95
    assert table.estimate(checkpoint="base", part="locality", group="G8", measure="inside").count
    told = table.metadata["checkpoints"]["base"]
    assert told["variant"] == "retrieval" and told["size"] == 64 and told["digest"]
    alone, _ = evaluate([base], replace(settings, parts=("quality",)), held_out)
    rows = table.values(part="quality", checkpoint="base").reset_index(drop=True)
    assert alone.rows.equals(rows)


def test_what_a_data_base_has_not_is_refused_in_a_line(base, held_out, capsys):
    with pytest.raises(FeatvizError, match="two of what is measured are called 'base'"):
        evaluate([base, base], EvaluationSettings(("quality",)), held_out)
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(base), "--local", "--sketches", "sketches"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.count("\n") == 1
    assert "'base' is a data base, which has no maps to keep" in error
