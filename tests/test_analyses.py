import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from analyses import __main__ as analyses
from analyses import edits, figure_3_1, making, study
from analyses.making import FIGURES, make_figures
from analyses.study import ROOT, SAME_EYES, Sources, load_features, of_other_weights
from featviz.analysis.separation import group_distances
from featviz.base.assets import sha256_of
from featviz.base.feature_table import TablePart, read_features, write_features
from featviz.extraction import extract
from featviz.faces.pairs import PairSet, read_pairs, write_pairs
from featviz.generators.checkpoint_files import find_checkpoint, load_generator
from featviz.generators.networks.generators import FrontEnd, GeneratorArchitecture
from featviz.sketches.sketch_set import SketchSet, read_sketches

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
    return Sources(features=folder, landmarks=some_landmarks(folder))


def some_landmarks(folder: Path) -> Path:
    """A few of the shipped landmarks, of both splits, at half the size: faces in a quarter."""
    shipped = read_pairs(Sources().landmarks)
    parts = [shipped.split(split) for split in ("train", "test")]
    write_pairs(
        PairSet(
            folder,
            tuple(name for part in parts for name in part.names[:6]),
            np.concatenate([part.landmarks[:6] for part in parts]) / 2,
            ("train",) * 6 + ("test",) * 6,
            shipped.size // 2,
        )
    )
    return folder


def few(sketches: SketchSet) -> SketchSet:
    index = sketches.index.groupby("group", sort=False).head(PER_GROUP).reset_index(drop=True)
    return replace(sketches, index=index)


@dataclass(frozen=True)
class Made:
    """Every figure as it was drawn, by its number, and the folder it was written to."""

    figures: dict[str, Figure]
    folder: Path


@pytest.fixture(scope="module")
def made(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All figures, but for what alone takes long: small sketches, and t-SNE from three starts."""
    made = Made({}, tmp_path_factory.mktemp("figures"))
    script = making._script

    def kept(number: str) -> Callable[[Sources], Figure]:
        return lambda sources: made.figures.setdefault(number, script(number)(sources))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "SEEDS", range(3))
        for module in (edits, figure_3_1):
            patch.setattr(module, "read_sketches", partial(read_sketches, size=128))
        patch.setattr(making, "_script", kept)
        make_figures(sources, made.folder, processes=1)
    return made


def test_every_figure_is_written_twice_and_is_small(made: Made) -> None:
    names = {f"figure-{number}{end}" for number in FIGURES for end in (".png", ".pdf")}
    assert {path.name for path in made.folder.iterdir()} == names
    for path in made.folder.glob("*.png"):
        # Generated faces and maps of their changes compress badly.
        galleries = ("4.2", "4.3", "4.4", "4.5", "4.6", "5.1")
        is_gallery = any(number in path.name for number in galleries)
        assert path.stat().st_size <= (2800 if is_gallery else 400) * 1024
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        # White all around: nothing runs out of the picture.
        frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (frame == 255).all()
        assert (pixels < 128).any()


def test_processes_side_by_side_give_the_same_bytes(
    sources: Sources, made: Made, tmp_path: Path
) -> None:
    for path in make_figures(sources, tmp_path, ("3.2", "4.1"), processes=2):
        assert path.read_bytes() == (made.folder / path.name).read_bytes()


def rings_and_marks(figure: Figure, panel: int) -> tuple[int, int]:
    collections = [c for c in figure.axes[panel].collections if isinstance(c, PathCollection)]
    rings = [c for c in collections if len(c.get_facecolor()) == 0]
    marks = [c for c in collections if len(c.get_facecolor()) > 0]
    return tuple(sum(len(np.asarray(c.get_offsets())) for c in of) for of in (rings, marks))


def test_groups_with_the_same_eyes_are_points_in_modified_and_clouds_in_baseline(
    made: Made,
) -> None:
    figure = made.figures["3.5"]
    for panel in (0, 1):
        # G1 to G4, G8 with G11, G9 with G10: six vectors, eight groups.
        assert rings_and_marks(figure, panel) == (6, 8)
        labels = [text.get_text() for text in figure.axes[panel].texts]
        assert {"G8+G11 ×10", "G9+G10 ×10", "G1 ×5"} <= set(labels)
    for panel in (2, 3):
        assert rings_and_marks(figure, panel) == (0, 8 * PER_GROUP)


def test_the_caption_of_figure_3_3_measures_the_groups_with_the_same_eyes(
    sources: Sources, made: Made
) -> None:
    text = " ".join(text.get_text() for text in reversed(made.figures["3.3"].texts))
    table = read_features(sources.features / "paper-modified.parquet").select(groups=SAME_EYES)
    facts = []
    for name, layer in (("v₀", "L0"), ("v₁", "L1")):
        within, between, _ = group_distances(table.vectors[layer], list(table.rows["group"]))
        assert within == 0
        facts.append(f"{name} within 0, between {between:#.3g}")
    assert f"The 8 groups with unchanged eyes alone: {'; '.join(facts)}." in text


@pytest.mark.parametrize("number", ["3.4", "3.6"])
def test_figures_3_4_and_3_6_tell_absolute_and_relative_distances_of_every_panel(
    sources: Sources, made: Made, number: str
) -> None:
    axes = made.figures[number].axes
    panels = [(f"paper-{v}", f"L{k}") for v in ("modified", "baseline") for k in (2, 3, 4)]
    for ax, (checkpoint, layer) in zip(axes, panels[: len(axes)], strict=True):
        table = read_features(sources.features / f"{checkpoint}.parquet").select(groups=SAME_EYES)
        within, between, _ = group_distances(table.vectors[layer], list(table.rows["group"]))
        assert within is not None and between is not None
        ratio = within / between
        text = f"{len(table)}/{len(table)} distinct · within {within:#.3g} = {ratio:#.3g} × between"
        assert text in [annotation.get_text() for annotation in ax.texts]


def test_figure_3_2_shows_the_fields_and_cells_of_the_study(made: Made) -> None:
    legend = made.figures["3.2"].axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "L0: 7 px\ncell (170, 250)",
        "L1: 9 px\ncell (85, 125)",
        "L2: 13 px\ncell (43, 63)",
        "L3: 21 px\ncell (22, 32)",
        "L4: 37 px\ncell (11, 16)",
    ]


def test_figure_3_8_counts_sketches_whose_nearest_other_group_has_the_same_eyes(
    sources: Sources, made: Made
) -> None:
    table = read_features(sources.features / "paper-modified.parquet")
    vectors, groups = table.vectors["L4"].astype(float), list(table.rows["group"])
    count = 0
    for i, group in enumerate(groups):
        if group in ("G8", "G11"):
            others = [j for j in range(len(groups)) if groups[j] != group]
            nearest = min(others, key=lambda j: np.linalg.norm(vectors[i] - vectors[j]))
            count += groups[nearest] in ("G8", "G11")
    text = " ".join(text.get_text() for text in reversed(made.figures["3.8"].texts))
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


PAGE = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| paper-.*\|$", PAGE, re.MULTILINE)


def test_the_python_of_the_figures_page_runs(
    sources: Sources,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(BLOCKS) == 2
    (tmp_path / "features").symlink_to(sources.features)
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS:
        exec(compile(block, "docs/figures.md", "exec"), {})
    assert (tmp_path / "map.pdf").is_file()
    # The table of the page, of other features: its rows, and what holds for any weights.
    printed = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in printed] == [line.split(" | ")[:2] for line in ROWS]
    assert [row[2] for row in printed[:2]] == ["0.00", "0.00"]
    assert [row[5] for row in printed[:3]] == ["6 |", "6 |", f"{8 * PER_GROUP} |"]


def test_the_table_of_the_figures_page_is_of_the_shipped_weights() -> None:
    digests = dict(re.findall(r"`(paper-\w+)`\s\(([0-9a-f]{8})\)", PAGE))
    assert digests == {name: load_generator(name).digest[:8] for name in digests}
    assert len(digests) == 2


def test_the_sentences_of_the_figures_page_agree_with_its_table() -> None:
    rows = {}
    for line in ROWS:
        name, layer, within, between, ratio, _ = line.strip("| ").split(" | ")
        rows[name, layer] = within, between, ratio
        error = 0.005 / float(between) * 1.3 + 0.0006
        assert float(within) / float(between) == pytest.approx(float(ratio), abs=error)
    text = " ".join(PAGE[PAGE.index("- **C1, C2") : PAGE.index("## Your own")].split())
    deep = ("L2", "L3", "L4")
    for column in (0, 2):
        for name in ("paper-modified", "paper-baseline"):
            assert ", ".join(rows[name, layer][column] for layer in deep) in text
    for layer in deep:
        assert rows["paper-modified", layer][1] in text
    for layer in ("L0", "L1"):
        assert rows["paper-baseline", layer][2] in text


@pytest.mark.skipif(
    not (ROOT / "features" / "paper-baseline.parquet").is_file(),
    reason="needs the features of all 200 sketches, which `make report` extracts",
)
def test_the_table_of_the_figures_page_is_what_its_code_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    exec(compile(BLOCKS[0], "docs/figures.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ROWS


def test_tables_of_other_weights_are_told_with_how_to_make_them_anew_and_shipped_ones_are_not(
    sources: Sources, tmp_path: Path
) -> None:
    first, second = of_other_weights(sources)
    assert "paper-modified.parquet is not of the paper-modified that is shipped" in first
    assert second.endswith(f"--out {sources.features} --overwrite")
    table = read_features(sources.features / "paper-modified.parquet")
    digest = sha256_of(find_checkpoint("paper-modified"))
    shipped = replace(table, metadata={**table.metadata, "digest": digest})
    # A table that is a folder, as a cluster makes it, is one like any other.
    write_features(
        shipped, tmp_path / "paper-modified.parquet" / "part-000000.parquet", TablePart(0, 1)
    )
    assert of_other_weights(replace(sources, features=tmp_path)) == []
    assert len(load_features(replace(sources, features=tmp_path), "paper-modified")) == len(table)
