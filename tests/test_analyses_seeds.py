from pathlib import Path

import numpy as np
import pytest

from analyses.seeds import interval, main, read_seeds, seeds_figure
from featviz.analysis.claims.claim import Finding, write_claims
from featviz.analysis.claims.judging import draw_verdicts
from featviz.base.errors import FeatvizError

EYES_STAY = (1.5, 2.5, 8.0)
"""Grey levels, of which claim C13 allows 2.55."""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for seed, eyes in enumerate(EYES_STAY):
        findings = {
            ("C1", "identical"): Finding(1.0),
            ("C1", "differ"): Finding(9.0 if seed else 1.0),
            ("C13", "eyes stay"): Finding(eyes, low=eyes - 0.5, high=eyes + 0.5),
        }
        if seed == 2:
            findings["C18", "mouth"] = Finding(20.0, low=19.0, high=21.0)
        paths.append(tmp_path / f"seed {seed}.json")
        write_claims(draw_verdicts(findings, {}), paths[-1])
    return paths


def rows_of(printed: str) -> dict[tuple[str, str], list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines()]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_every_seed_has_a_column_with_verdicts_of_its_own(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*map(str, files)])
    rows = rows_of(capsys.readouterr().out)
    assert rows["claim", "part"][1:4] == ["seed 0", "seed 1", "seed 2"]
    assert rows["**C1**", ""][1:4] == ["**does not hold**", "**holds**", "**holds**"]
    assert rows["", "differ"][1:4] == ["1 **no**", "9 holds", "9 holds"]
    assert rows["", "eyes stay"][1:4] == ["1.5 holds", "2.5 holds", "8 **no**"]
    # What one seed alone was asked has no interval; what none was asked, no row.
    assert rows["", "mouth"] == ["<= 2.55", "- ?", "- ?", "20 **no**", "20"]
    assert ("", "best") not in rows


def test_the_interval_is_students(files: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    # 4 +- t s / sqrt 3, with t = 4.302653 of two degrees of freedom and s = 3.5.
    half = 4.302653 * 3.5 / np.sqrt(3)
    assert interval(EYES_STAY) == pytest.approx((4 - half, 4 + half), rel=1e-6)
    assert np.isnan(interval([1.0])).all()
    main([*map(str, files)])
    rows = rows_of(capsys.readouterr().out)
    assert rows["", "eyes stay"][-1] == f"4 ({4 - half:.3g} to {4 + half:.3g})"
    assert rows["", "identical"][-1] == "1"


def test_the_figure_has_a_place_for_every_sampled_part(files: list[Path], tmp_path: Path) -> None:
    figure = seeds_figure(read_seeds(files))
    shown = {ax.get_title(loc="left"): ax for ax in figure.axes if ax.axison}
    assert list(shown) == ["C13 eyes stay", "C18 mouth"]
    dots = np.concatenate([dot.get_offsets() for dot in shown["C13 eyes stay"].collections])
    assert sorted(dots[:, 0].tolist()) == sorted(EYES_STAY)
    left, right = shown["C13 eyes stay"].get_xlim()
    low, high = interval(EYES_STAY)
    assert left < low and high < right
    out = tmp_path / "seeds.png"
    main([*map(str, files), "--out", str(out)])
    assert out.stat().st_size > 1000


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_seeds_are_one_line(
    files: list[Path], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, files[:count])])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_two_files_of_one_name_are_refused(files: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other" / files[0].name
    other.parent.mkdir()
    other.write_bytes(files[0].read_bytes())
    with pytest.raises(FeatvizError, match="different names"):
        read_seeds([files[0], other])
