"""Figures of embeddings."""

import itertools
import resource
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from skimage.color import deltaE_ciede2000, rgb2lab

from featviz.analysis.embedding import (
    EmbeddingTable,
    embed,
    embed_all,
    join,
)
from featviz.analysis.embedding.plots import (
    GROUP_STYLE,
    distances,
    draw_embedding,
    draw_legend,
    embedding_figure,
    group_styles,
)
from featviz.figures.labels import draw_labels
from featviz.figures.style import save_figure, style
from tests.analysis.embedding.drawn import GROUPS, wine_table

pytestmark = pytest.mark.usefixtures("short_descents")

# Machado, Oliveira and Fernandes 2009: what linear RGB looks like without one kind of cone.
SIGHTS = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def seen(color: str, sight: str) -> NDArray[np.float64]:
    """CIELAB of a colour as someone sees it."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(SIGHTS[sight]) @ linear, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(rgb[None, None])[0, 0])


@pytest.mark.parametrize("sight", SIGHTS)
def test_group_colours_differ_for_every_kind_of_sight(sight: str) -> None:
    colors = [seen(look.color, sight) for look in GROUP_STYLE.values()]
    pairs = itertools.combinations(colors, 2)
    assert min(float(deltaE_ciede2000(a, b)) for a, b in pairs) >= 10


def test_the_11_groups_have_11_colours_and_11_markers() -> None:
    assert list(GROUP_STYLE) == [f"G{i}" for i in range(1, 12)]
    assert len({look.color for look in GROUP_STYLE.values()}) == 11
    assert len({look.marker for look in GROUP_STYLE.values()}) == 11


def test_any_other_groups_get_looks_of_their_own() -> None:
    names = ["G3", *(f"hat {i}" for i in range(100)), "G11"]
    styles = group_styles(names)
    assert list(styles) == names
    assert len(set(styles.values())) == len(names)
    assert styles["G11"] == GROUP_STYLE["G11"]
    first = [styles[f"hat {i}"] for i in range(9)]
    assert len({look.color for look in first}) == len({look.marker for look in first}) == 9


def scatters(figure: Figure) -> list[list[PathCollection]]:
    return [
        [artist for artist in ax.collections if isinstance(artist, PathCollection)]
        for ax in figure.axes
    ]


def test_a_tie_is_drawn_once_a_group_and_says_how_many_it_is(pca: EmbeddingTable) -> None:
    ax = Figure(figsize=(3, 3)).add_axes((0.1, 0.1, 0.8, 0.8))
    draw_embedding(pca.panel("one", "L0"), ax)
    *marks, rings = (artist for artist in ax.collections if isinstance(artist, PathCollection))
    # 178 wines: 71 of G8 and G11 are one vector, so 107 others, and one mark each for the two.
    assert sum(len(np.asarray(mark.get_offsets())) for mark in marks) == 107 + 2
    assert len(np.asarray(rings.get_offsets())) == 1
    assert "G8+G11 ×71" in [text.get_text() for text in ax.texts]


def test_both_groups_of_a_tie_can_be_seen(pca: EmbeddingTable) -> None:
    ax = Figure(figsize=(3, 3)).add_axes((0.1, 0.1, 0.8, 0.8))
    draw_embedding(pca.panel("one", "L0"), ax)
    frame = pca.panel("one", "L0").frame
    tie = frame.loc[frame["group"] == "G8", ["x", "y"]].iloc[0].to_numpy()
    tie = tie / pca.panel("one", "L0").panels[0]["scale"]
    *marks, _ = (artist for artist in ax.collections if isinstance(artist, PathCollection))
    there = [mark for mark in marks if np.allclose(mark.get_offsets(), tie)]
    sizes = [float(mark.get_sizes()[0]) for mark in sorted(there, key=lambda m: m.get_zorder())]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]


def test_pca_panels_share_one_scale_in_units_of_their_spread(pca: EmbeddingTable) -> None:
    figure = embedding_figure(pca)
    for ax in figure.axes:
        ax.apply_aspect()
    units = [ax.get_window_extent().width / np.diff(ax.get_xlim())[0] for ax in figure.axes] + [
        ax.get_window_extent().height / np.diff(ax.get_ylim())[0] for ax in figure.axes
    ]
    np.testing.assert_allclose(units, units[0])
    # Network two is network one a hundred times larger: their panels look the same.
    spread = [
        np.concatenate([np.asarray(mark.get_offsets()) for mark in marks])
        for marks in scatters(figure)
    ]
    np.testing.assert_allclose(np.ptp(spread[0], axis=0), np.ptp(spread[2], axis=0), rtol=1e-4)


def test_lines_lead_from_each_point_to_its_places_by_other_seeds(seeds: EmbeddingTable) -> None:
    ax = draw_embedding(seeds, Figure().add_subplot())
    (lines,) = (artist for artist in ax.collections if isinstance(artist, LineCollection))
    drawn = {tuple(np.ravel(segment)) for segment in lines.get_segments()}
    wanted = {
        (x, y, *place)
        for x, y, flat in zip(*(seeds.frame[c] for c in ("x", "y", "seed_places")), strict=True)
        for place in np.reshape(flat, (-1, 2))
    }
    # The wines of one tie are one point.
    assert drawn == wanted
    assert len(lines.get_segments()) == 3 * seeds.panels[0]["distinct"]
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    ends = np.concatenate(lines.get_segments())
    assert ((ends > low) & (ends < high)).all()


def test_maps_in_units_of_the_vectors_share_a_scale_and_others_have_no_ticks() -> None:
    for method, ticks in (("mds", True), ("isomap", True), ("lle", False)):
        figure = embedding_figure(embed_all([wine_table("one"), wine_table("two", 100)], method))
        sides = [float(np.diff(ax.get_xlim())[0]) for ax in figure.axes]
        assert (len(figure.axes[0].get_xticks()) > 0) == ticks
        if ticks:
            np.testing.assert_allclose(sides, sides[0])


def test_labels_touch_no_marker_where_there_is_room(pca: EmbeddingTable) -> None:
    figure = Figure(figsize=(3, 3))
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    ax.set(xlim=(0, 1), ylim=(0, 1))
    # A marker on each side, at a distance at which a label beside the point would just touch it.
    around = np.array([[0.28, 0], [-0.28, 0], [0, 0.07], [0, -0.07]]) + 0.5
    draw_labels(ax, np.array([[0.5, 0.5]]), ["G2 ×15"], around)
    canvas = FigureCanvasAgg(figure)
    (label,) = ax.texts
    box = label.get_window_extent(canvas.get_renderer())
    reach = 2.5 * figure.dpi / 72
    for x, y in ax.transData.transform(around):
        assert not box.overlaps(Bbox([[x - reach, y - reach], [x + reach, y + reach]]))


def test_every_point_lies_inside_its_panel(pca: EmbeddingTable, tsne: EmbeddingTable) -> None:
    for table in (pca, tsne):
        figure = embedding_figure(table)
        for ax, marks in zip(figure.axes, scatters(figure), strict=True):
            points = np.concatenate([np.asarray(mark.get_offsets()) for mark in marks])
            low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
            assert ((points > low) & (points < high)).all()


@pytest.mark.parametrize(
    ("method", "layers"),
    [
        ("pca", ["L0"]),
        ("pca", ["L0", "L1"]),
        ("pca", ["L0", "L1"] * 2),
        ("tsne", ["L0"]),
        ("tsne", ["L0", "L1"]),
    ],
)
def test_nothing_is_clipped_and_no_words_run_into_others(method: str, layers: list[str]) -> None:
    names = [f"L{i}" for i in range(len(layers))]
    tables = []
    for checkpoint in ("paper-modified", "paper-baseline"):
        table = wine_table(checkpoint)
        vectors = {name: table.vectors[layer] for name, layer in zip(names, layers, strict=True)}
        tables.append(embed(replace(table, vectors=vectors), method))
    meanings = dict.fromkeys(GROUPS, "beard, wrinkles, ears")
    with style():
        figure = embedding_figure(join(tables), meanings=meanings, remarks="Word. " * 40)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        legend = figure.legends[0]
        boxes = [ax.get_tightbbox(renderer) for ax in figure.axes]
        boxes += [legend.get_window_extent(renderer)]
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    for a, b in itertools.combinations([box.padded(-1) for box in boxes], 2):
        assert not a.overlaps(b)


def test_the_axes_of_a_pca_tell_the_explained_variance(pca: EmbeddingTable) -> None:
    ax = embedding_figure(pca).axes[0]
    first, second = pca.panels[0]["explained_variance_ratio"]
    assert ax.get_xlabel() == f"PC 1 ({100 * first:.1f} %)"
    assert ax.get_ylabel() == f"PC 2 ({100 * second:.1f} %)"


@pytest.mark.parametrize(
    ("within", "between", "text"),
    [
        (3.0, 12.0, "within 3.00 = 0.250 × between"),
        (1e-9, 2.0, "within 1.00e-09 = 5.00e-10 × between"),
        (0.0, 2.0, "within 0, between 2.00"),
        (None, 2.0, "within n/a, between 2.00"),
        (0.5, None, "within 0.500, between n/a"),
        (0.0, 0.0, "within 0, between 0"),
    ],
)
def test_only_an_exact_zero_reads_as_zero(within: float, between: float, text: str) -> None:
    assert distances(within, between) == text


def test_a_panel_tells_the_distances_on_the_vectors(pca: EmbeddingTable) -> None:
    for checkpoint, factor in (("one", 1), ("two", 100)):
        vectors = wine_table(checkpoint, factor).vectors["L0"].astype(float)
        groups = np.array(wine_table(checkpoint).rows["group"])
        within = np.mean([pdist(vectors[groups == name]).mean() for name in GROUPS])
        ax = draw_embedding(pca.panel(checkpoint, "L0"), Figure().add_subplot())
        facts = next(text.get_text() for text in ax.texts if "distinct" in text.get_text())
        assert facts.startswith(f"108/178 distinct · within {within:#.3g} = ")


def test_two_distinct_vectors_can_be_drawn() -> None:
    table = wine_table("one").select(groups=["G8", "G11", "G1"])
    vectors = np.where((table.rows["group"] == "G1").to_numpy()[:, None], 1, 0)
    flat = replace(table, vectors={"L0": np.tile(vectors, 3).astype(np.float32)})
    figure = embedding_figure(embed(flat, "pca"))
    assert "PC 2 (0.0 %)" in figure.axes[0].get_ylabel()


def test_the_legend_names_groups_and_what_changes_in_them() -> None:
    legend = draw_legend(Figure(), ["G1", "hat"], {"G1": "hair"}, ties=True)
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:2] == ["G1 hair", "hat"]
    assert "equal vectors" in labels[2]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_same_table_gives_the_same_bytes(
    tsne: EmbeddingTable, tmp_path: Path, suffix: str
) -> None:
    files = []
    for name in ("first", "second"):
        with style():
            figure = embedding_figure(tsne)
        save_figure(figure, tmp_path / f"{name}{suffix}")
        files.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert files[0] == files[1]


def test_drawing_changes_no_global_setting(tsne: EmbeddingTable, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    with style():
        figure = embedding_figure(tsne)
    save_figure(figure, tmp_path / "map.png")
    assert dict(mpl.rcParams) == before


def test_a_disk_that_fills_up_leaves_the_old_figure_whole(
    tsne: EmbeddingTable, tmp_path: Path
) -> None:
    path = tmp_path / "map.png"
    path.write_bytes(b"the old one")
    figure = embedding_figure(tsne)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to write more than 4000 bytes to a file, as a full disk would.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(OSError):
            save_figure(figure, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]
