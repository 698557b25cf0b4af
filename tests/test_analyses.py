from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from analyses import __main__ as analyses
from analyses import figure_3_2, figure_3_3, figure_3_5, figure_3_8
from analyses.study import SAME_EYES, SAMPLES, Sources
from featviz.embedding import group_distances
from featviz.extraction import extract
from featviz.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.sketches import SketchSet, read_sketches
from featviz.tables import read_features, write_features

PER_GROUP = 5


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Features of thin, untrained front ends on five shipped sketches of each group."""
    folder = tmp_path_factory.mktemp("features")
    sketches = few(read_sketches(Sources().sketches))
    for variant in ("modified", "baseline"):
        torch.manual_seed(0)
        front_end = FrontEnd(GeneratorArchitecture(variant=variant, width=4))
        name = f"paper-{variant}"
        provenance = {"checkpoint": name, "variant": variant, "digest": "0123456789"}
        write_features(
            extract(front_end, sketches, provenance=provenance), folder / f"{name}.parquet"
        )
    return Sources(features=folder, landmarks=SAMPLES)


def few(sketches: SketchSet) -> SketchSet:
    index = sketches.index.groupby("group", sort=False).head(PER_GROUP).reset_index(drop=True)
    return replace(sketches, index=index)


@pytest.fixture(scope="module")
def written(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures")
    analyses.make_figures(
        analyses.Options(features=sources.features, landmarks=sources.landmarks, out=out)
    )
    return out


def test_every_figure_is_written_twice_and_is_small(written: Path) -> None:
    names = {f"figure-{number}{end}" for number in analyses.FIGURES for end in (".png", ".pdf")}
    assert {path.name for path in written.iterdir()} == names
    for path in written.glob("*.png"):
        assert path.stat().st_size <= 400 * 1024
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        # White all around: nothing runs out of the picture.
        frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (frame == 255).all()
        assert (pixels < 128).any()


def test_a_second_run_gives_the_same_bytes(sources: Sources, written: Path, tmp_path: Path) -> None:
    options = analyses.Options(
        features=sources.features, landmarks=sources.landmarks, only=("3.2", "3.5"), out=tmp_path
    )
    for path in analyses.make_figures(options):
        assert path.read_bytes() == (written / path.name).read_bytes()


def rings_and_marks(figure: Figure, panel: int) -> tuple[int, int]:
    collections = [c for c in figure.axes[panel].collections if isinstance(c, PathCollection)]
    rings = [c for c in collections if len(c.get_facecolor()) == 0]
    marks = [c for c in collections if len(c.get_facecolor()) > 0]
    return tuple(sum(len(np.asarray(c.get_offsets())) for c in of) for of in (rings, marks))


def test_groups_with_the_same_eyes_are_points_in_modified_and_clouds_in_baseline(
    sources: Sources,
) -> None:
    figure = figure_3_5.draw(sources)
    for panel in (0, 1):
        # G1 to G4, G8 with G11, G9 with G10: six vectors, eight groups.
        assert rings_and_marks(figure, panel) == (6, 8)
        labels = [text.get_text() for text in figure.axes[panel].texts]
        assert {"G8+G11 ×10", "G9+G10 ×10", "G1 ×5"} <= set(labels)
    for panel in (2, 3):
        assert rings_and_marks(figure, panel) == (0, 8 * PER_GROUP)


def test_the_caption_of_figure_3_3_measures_the_groups_with_the_same_eyes(
    sources: Sources,
) -> None:
    text = " ".join(text.get_text() for text in reversed(figure_3_3.draw(sources).texts))
    assert "unchanged eyes alone: v₀ 0, v₁ 0." in text
    table = read_features(sources.features / "paper-modified.parquet").select(groups=SAME_EYES)
    assert group_distances(table.vectors["L0"], list(table.rows["group"]))[0] == 0


def test_figure_3_2_shows_the_fields_and_cells_of_the_study(sources: Sources) -> None:
    legend = figure_3_2.draw(sources).axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "L0: 7 px\ncell (170, 250)",
        "L1: 9 px\ncell (85, 125)",
        "L2: 13 px\ncell (43, 63)",
        "L3: 21 px\ncell (22, 32)",
        "L4: 37 px\ncell (11, 16)",
    ]


def test_figure_3_8_counts_sketches_whose_nearest_other_group_has_the_same_eyes(
    sources: Sources,
) -> None:
    table = read_features(sources.features / "paper-modified.parquet")
    vectors, groups = table.vectors["L4"].astype(float), list(table.rows["group"])
    count = 0
    for i, group in enumerate(groups):
        if group in ("G8", "G11"):
            others = [j for j in range(len(groups)) if groups[j] != group]
            nearest = min(others, key=lambda j: np.linalg.norm(vectors[i] - vectors[j]))
            count += groups[nearest] in ("G8", "G11")
    text = " ".join(text.get_text() for text in reversed(figure_3_8.draw(sources).texts))
    assert f"{count} of {2 * PER_GROUP} sketches of G8 and G11" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "3.3"], "make it with: featviz extract paper-modified paper-baseline"),
        (["--only", "2.4", "9.9"], "unknown figure '9.9'; there are 2.4, 3.1, 3.2, 3.3"),
        (["--only", "3.1", "--sketches", "nowhere"], "nowhere"),
        (["--only", "4.1", "--landmarks", "nowhere"], "nowhere has no landmarks.parquet"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        analyses.main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == []
