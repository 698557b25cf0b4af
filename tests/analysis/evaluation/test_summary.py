import pytest

from featviz.analysis.evaluation.summary import aligned, evaluation_summary
from tests.analysis.evaluation.conftest import WAYS, made_up_table


def cells(text, *starts):
    """The cells of the first line after the line of titles that starts so."""
    lines = text.splitlines()
    titles = next(i for i, line in enumerate(lines) if line.split()[: len(starts)] == list(starts))
    return lines[titles].split(), lines[titles + 1 : titles + 3]


def test_every_number_stands_below_its_title_and_beside_its_checkpoint():
    table = made_up_table()
    text = evaluation_summary(table)
    titles, rows = cells(text, "LPIPS", "SSIM")
    assert titles == ["LPIPS", "SSIM", "PSNR,", "dB", "kernel", "dist."]
    for name, line in zip(("first", "second"), rows, strict=True):
        found = table.estimate(checkpoint=name, part="quality", measure="ssim")
        assert line.split()[0] == name
        assert line.split()[4:7] == [f"{found.value:.3f}", "+-", f"{found.standard_error:.3f}"]
    titles, rows = cells(text, "outside", "/", "inside", "G1")
    assert titles[3:] == ["G1", "G5", "G8"]
    for name, line in zip(("first", "second"), rows, strict=True):
        where = {"checkpoint": name, "part": "locality", "measure": "outside / inside"}
        wanted = [f"{table.estimate(**where, group=g).value:.3f}" for g in titles[3:]]
        assert line.split() == [name, *wanted]
    titles, rows = cells(text, "LPIPS", "0", "px")
    found = table.estimate(
        checkpoint="second", part="robustness", measure="lpips", move="rotation", amount=7.0
    )
    assert rows[1].split()[-1] == f"{found.value:.3f}"
    assert " ".join(titles[1:]) == "0 px 5 px 10 px 15 px 20 px 25 px 3.5 deg 7 deg"


def test_what_was_not_measured_is_a_dash_and_no_table():
    _, rows = cells(evaluation_summary(made_up_table()), "eyes", "G1")
    assert [line.split()[2] for line in rows] == ["-", "-"]
    text = evaluation_summary(made_up_table(parts=["locality"]))
    assert text.startswith("Edit locality")
    assert "Quality" not in text and "robustness" not in text


def test_local_editing_has_a_line_for_every_checkpoint_and_way():
    table = made_up_table(parts=["local"])
    text = evaluation_summary(table)
    assert text.startswith("Local editing on sketches")
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    for name in ("first", "second"):
        for way in WAYS:
            where = {"checkpoint": name, "part": "local", "way": way, "group": "all"}
            wanted = table.estimate(**where, measure="landmarks edited")
            told = f"{wanted.value:.2f} +- {wanted.standard_error:.2f}"
            assert told in lines[f"{name}, {way}"]
        # The base's face has landmarks only.
        assert text.count(f"{name}, unedited") == 1
        assert text.count(f"{name}, held") == 2


@pytest.mark.parametrize("part", ["quality", "locality", "robustness", "local"])
def test_a_part_alone_reads_as_it_does_among_others(part):
    whole = evaluation_summary(made_up_table())
    assert evaluation_summary(made_up_table(parts=[part])) in whole


def test_columns_are_aligned():
    assert aligned([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc   d"
