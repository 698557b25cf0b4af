import itertools
import resource
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import pdist
from skimage.color import deltaE_ciede2000, rgb2lab
from sklearn.datasets import load_wine

from featviz import cli
from featviz.analysis.embedding import (
    EmbeddingTable,
    embed,
    embed_all,
    join,
    read_embedding,
    seed_spread,
)
from featviz.analysis.embedding.captions import embedding_caption
from featviz.analysis.embedding.plots import (
    GROUP_STYLE,
    distances,
    draw_embedding,
    draw_legend,
    embedding_figure,
    group_styles,
)
from featviz.base.feature_table import FeatureTable, write_features
from featviz.figures.labels import draw_labels
from featviz.figures.style import draw_receptive_fields, draw_sketch, save_figure, style

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
GROUPS = ["G1", "G2", "G8", "G11", "G10"]


def wine_table(checkpoint: str, scale: float = 1.0) -> FeatureTable:
    """178 real wines as if they were sketches of 5 groups; G8 and G11 are one and the same wine."""
    data = load_wine()
    vectors = data.data / data.data.std(axis=0) * scale
    groups = np.array(GROUPS)[np.arange(len(vectors)) % 5]
    vectors[np.isin(groups, ["G8", "G11"])] = vectors[2]
    rows = pd.DataFrame({"sketch": [f"{g}/{i}" for i, g in enumerate(groups)], "group": groups})
    rows = rows.assign(point_x=170, point_y=250)
    layers = {"L0": vectors[:, :7], "L1": vectors[:, 3:]}
    metadata = {"checkpoint": checkpoint, "variant": "modified", "digest": "0123456789abcdef"}
    return FeatureTable(rows, {k: v.astype(np.float32) for k, v in layers.items()}, metadata)


@pytest.fixture(scope="module")
def pca() -> EmbeddingTable:
    return join([embed(wine_table("one"), "pca"), embed(wine_table("two", 100), "pca")])


@pytest.fixture(scope="module")
def tsne() -> EmbeddingTable:
    return embed(wine_table("one"), "tsne")


@pytest.fixture(scope="module")
def seeds() -> EmbeddingTable:
    return seed_spread(wine_table("one"), ["L0"], range(3))


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


def test_the_caption_tells_what_the_seeds_came_to(seeds: EmbeddingTable) -> None:
    text, facts = embedding_caption(seeds), seeds.panels[0]["seeds"]
    divergence = facts["kl_divergence"]
    for fact in (
        "Seeds 0 to 2, which differ in the start's jitter",
        f"one L0: KL {min(divergence):.3f} to {max(divergence):.3f}",
        f"trustworthiness {np.mean(facts['trustworthiness']):.3f}",
        f"continuity {np.mean(facts['continuity']):.3f}",
        f"spread {facts['spread']:.3f}",
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("method", "facts"),
    [
        ("mds", ["Metric MDS (SMACOF) of the distinct vectors, PCA start. One unit", "stress 0."]),
        ("isomap", ["15 neighbours. One unit is", "same scale"]),
        ("lle", ["LLE of the distinct vectors, 15 neighbours; distances", "no unit"]),
        ("sne", ["Gaussian kernel", "perplexity 15, exact, PCA start, seed 0;", "L0: KL "]),
    ],
)
def test_the_caption_tells_method_and_settings(method: str, facts: list[str]) -> None:
    text = embedding_caption(embed(wine_table("one"), method))
    for fact in [*facts, "trustworthiness 0.", "continuity 0.", "15 neighbours, 1 is perfect"]:
        assert fact in text


def test_the_caption_tells_lowered_neighbours_and_pieces() -> None:
    table = wine_table("one").select(groups=["G1"])
    panel = embed(table, "isomap", neighbours=400)
    assert "35 neighbours" in embedding_caption(panel)
    assert "lowered to all others there are" in embedding_caption(panel)
    far = table.vectors["L0"] + np.where(np.arange(36) < 18, 0, 1e3)[:, None].astype(np.float32)
    assert "2 pieces" in embedding_caption(
        embed(replace(table, vectors={"L0": far}), "isomap", neighbours=5)
    )


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


def test_the_caption_tells_how_the_map_was_made(tsne: EmbeddingTable) -> None:
    text = embedding_caption(tsne)
    divergence = tsne.panels[0]["kl_divergence"]
    for fact in ("perplexity 15", f"L0: KL {divergence:.3f}", "seed 0", "one (01234567)"):
        assert fact in text
    assert "lowered" not in text


def test_the_caption_tells_interpolated_repulsion(tsne: EmbeddingTable) -> None:
    panels = [{**tsne.panels[0], "repulsion": "interpolated"}, tsne.panels[1]]
    text = embedding_caption(replace(tsne, metadata={**tsne.metadata, "panels": panels}))
    assert f"L0: repulsion interpolated, KL {panels[0]['kl_divergence']:.3f}" in text
    assert "exact" not in text
    assert "perplexity 15, exact" in embedding_caption(tsne)


def test_the_caption_tells_a_lowered_perplexity() -> None:
    table = wine_table("one").select(groups=["G1", "G8", "G11"])
    # 36 wines of G1 and the one that G8 and G11 share: (37 - 1) / 3.
    text = embedding_caption(embed(table, "tsne"))
    assert "perplexity 12.0, KL" in text
    assert "lowered" in text


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


def saved_pixels(figure: Figure, path: Path) -> NDArray[np.float64]:
    save_figure(figure, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.float64)


@pytest.mark.parametrize("side", [0.4, 0.74, 0.9])
def test_a_sketch_drawn_small_keeps_its_lines_whole_and_even(side: float, tmp_path: Path) -> None:
    # Two lines 2 px wide that pass every position between pixels: one nearly upright, one flat.
    at = np.arange(512)
    for transpose in (False, True):
        sketch = np.full((512, 512), 255, np.uint8)
        for shift in (0, 1):
            sketch[at, 200 + shift + at // 20] = 0
        figure = Figure(figsize=(1, 1))
        draw_sketch(sketch.T if transpose else sketch, figure.add_axes((0.03, 0.03, side, side)))
        pixels = saved_pixels(figure, tmp_path / "line.png")
        # Inside the frame; row by row along the line.
        low, high = 12, int(200 * side) - 2
        inside = pixels[200 - high : 200 - low, low:high]
        ink = (255 - (inside.T if transpose else inside)).sum(axis=1) / 255
        assert ink.min() > 0.5 * ink.max() > 0


def test_a_sketch_keeps_its_size_where_there_is_room() -> None:
    sketch = np.full((40, 60), 255, np.uint8)
    sketch[10, 20] = 0
    ax = draw_sketch(sketch, Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1)))
    shown = np.asarray(ax.images[0].get_array())
    # An ink pixel covers the one below and to the right of it too.
    assert {tuple(place) for place in np.argwhere(shown == 0)} == {
        (10, 20),
        (10, 21),
        (11, 20),
        (11, 21),
    }


def test_a_receptive_field_is_outlined_around_its_outermost_pixels() -> None:
    ax = Figure().add_subplot()
    draw_receptive_fields(
        np.full((64, 64), 255, np.uint8), {"L0": (10, 20, 16, 26)}, (13, 23), ax, around=20
    )
    (outline,) = ax.patches
    corners = ax.transData.inverted().transform(outline.get_extents().corners())
    assert sorted(set(corners.round(6).ravel())) == [9.5, 16.5, 19.5, 26.5]


@pytest.mark.parametrize("around", [None, 20])
def test_boxes_with_common_edges_can_all_be_seen(around: int | None, tmp_path: Path) -> None:
    # Three share their upper left corner, as the fields of L1, L2 and L3 do.
    boxes = {
        "L0": (17, 17, 23, 23),
        "L1": (16, 16, 24, 24),
        "L2": (16, 16, 28, 28),
        "L3": (16, 16, 36, 36),
    }
    figure = Figure(figsize=(3, 3))
    ax = figure.add_axes((0, 0, 1, 1))
    draw_receptive_fields(np.full((60, 60), 255, np.uint8), boxes, (20, 20), ax, around=around)
    colors = {patch.get_label(): np.array(to_rgb(patch.get_edgecolor())) for patch in ax.patches}
    save_figure(figure, tmp_path / "boxes.png")
    with Image.open(tmp_path / "boxes.png") as image:
        pixels = np.asarray(image.convert("RGB")) / 255
    # Across the common left edge, at a row of the picture that all boxes reach.
    column = ax.transData.transform((15.5, 22)) * 200 / figure.dpi
    x, y = int(column[0]), pixels.shape[0] - int(column[1])
    across = pixels[y, x - 12 : x + 12]
    for name in ("L1", "L2", "L3"):
        assert np.abs(across - colors[name]).max(axis=1).min() < 0.12, name


@pytest.fixture
def features(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in paths:
        write_features(wine_table(path.stem), path)
    return [str(path) for path in paths]


def test_the_plot_command_draws_and_saves_the_embedding(
    features: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, saved = tmp_path / "map.svg", tmp_path / "map.parquet"
    cli.main(
        f"plot {' '.join(features)} --method tsne --layers L1 --perplexity 12 --seed 3 "
        f"--out {out} --save-embedding {saved}".split()
    )
    assert capsys.readouterr().out.splitlines()[:2] == [str(saved), str(out)]
    table = read_embedding(saved)
    assert table.metadata["seed"] == 3
    assert [(p["checkpoint"], p["layer"]) for p in table.panels] == [("one", "L1"), ("two", "L1")]
    assert out.read_text().startswith("<?xml")


def test_the_plot_command_compares_seeds_and_shares_starts(
    features: list[str], tmp_path: Path
) -> None:
    out, saved = tmp_path / "map.png", tmp_path / "map.parquet"
    tail = f"--layers L1 --share-start --out {out} --save-embedding {saved}"
    cli.main(f"plot {' '.join(features)} --method tsne --seeds 2 --seed 5 {tail}".split())
    table = read_embedding(saved)
    assert table.metadata["seed"] == [5, 6]
    assert table.metadata["parameters"]["start"] == "shared"
    assert [panel["seeds"]["seeds"] for panel in table.panels] == [[5, 6]] * 2
    cli.main(f"plot {' '.join(features)} --method mds {tail}".split())
    # Two tables of the same wines: from one start one map.
    small, large = (read_embedding(saved).panel(name, "L1").frame for name in ("one", "two"))
    np.testing.assert_allclose(small[["x", "y"]], large[["x", "y"]], atol=1e-6)


def test_the_plot_command_names_its_figure_after_its_input(
    features: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli.main(["plot", *features])
    assert (tmp_path / "one_two-pca.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{one}", "--method", "lda"], "unknown method 'lda'; there are pca, tsne, mds, isomap"),
        (["{one}", "--perplexity", "9"], "--perplexity is for tsne, sne; got --method pca"),
        (["{one}", "--method", "tsne", "--neighbours", "9"], "is for isomap, lle, umap; got"),
        (["{one}", "--method", "isomap", "--neighbours", "1"], "must be 2 or more; got 1"),
        (["{one}", "--method", "tsne", "--start", "grid"], "unknown start 'grid'; there are pca"),
        (["{one}", "--method", "lle", "--share-start"], "LLE has no start that panels could share"),
        (["{one}", "--method", "tsne", "--seeds", "1"], "--seeds must be 2 or more; got 1"),
        (["{one}", "--seeds", "3"], "seeds are compared for tsne and sne; got 'pca'"),
        (["{one}", "--layers", "L7"], "unknown layer 'L7'; this table has L0, L1"),
        (["{one}", "--method", "tsne", "--perplexity", "80"], "needs at least 241 sketches"),
        (["{one}", "--method", "tsne", "--perplexity", "inf"], "at most 1e+06; got inf"),
        (["{one}", "--method", "tsne", "--seed", "-1"], "between 0 and 4294967295; got -1"),
        (["{one}", "--out", "map.gif"], "expected a name ending in .png, .pdf, .svg"),
        (["{one}", "--point", "1", "2"], "unknown point (1, 2); this table has (170, 250)"),
        (["{one}", "{one}"], "'one', layer L0, is given more than once"),
        (["missing.parquet"], "no such feature table"),
        ([], "expected at least one feature table"),
    ],
)
def test_bad_input_to_the_plot_command_is_one_line_and_writes_nothing(
    arguments: list[str],
    message: str,
    features: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as stopped:
        cli.main(["plot", *(argument.format(one=features[0]) for argument in arguments)])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert sorted(tmp_path.iterdir()) == before
