"""Files -> contents of a report: the one place of this package that reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from featviz.analysis.claims import read_claims
from featviz.analysis.comparable import tell_apart
from featviz.analysis.embedding import METHODS, PERPLEXITY, EmbeddingTable, MethodSettings
from featviz.analysis.embedding.t_sne import require_perplexity
from featviz.analysis.leakage import read_maps
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, read_features
from featviz.base.ordering import natural_key
from featviz.base.progress import track
from featviz.generators.checkpoint import distinct_names
from featviz.report.columns import read_columns, read_selection, table_columns
from featviz.report.contents import Contents, PanelRow, ReportedLeakage
from featviz.report.faces import default_generators, load_whole, paint_sketches
from featviz.report.leakage import picture_leakage
from featviz.report.maps import map_panels, method_caption
from featviz.report.neighbours import movements, nearest
from featviz.report.pictures import SMALL_SIDE, Frame
from featviz.report.sketches import SketchReader, picture_sketches
from featviz.sketches.drawing import CANVAS
from featviz.sketches.sketch_set import SketchSet, read_sketches

MOST_SKETCHES = 5000
"""Of more the page is a large one."""

_READ_SKETCHES = 2000
"""Sketches that a large report holds at a time, a bit a pixel; a base comes before its edits."""


@dataclass(frozen=True)
class ReportRequest:
    """What a report is to hold; see `featviz report --help`.

    generators: None takes those that are shipped for the tables' checkpoints. kept: show edits once
    more, with all else kept. columns, select: files, see `read_columns` and `read_selection`.
    large: make the page of very many sketches, which is made anyway of more than MOST_SKETCHES.
    """

    features: Sequence[Path]
    sketches: Path | None = None
    methods: Sequence[str] = ("pca", "tsne")
    layers: Sequence[str] = ()
    point: tuple[int, int] | None = None
    generators: Sequence[str] | None = None
    claims: Path | None = None
    leakage: Path | None = None
    kept: bool = False
    large: bool = False
    columns: Path | None = None
    select: Path | None = None
    title: str = "Report"
    perplexity: float = PERPLEXITY
    seed: int = 0
    command: str = ""


def gather(request: ReportRequest) -> Contents:
    """Read and compute everything that a report shows.

    What was asked for and cannot be had is an error; what is merely not there (sketches, faces,
    claims, leakage) is a note in its place that names the command which makes it. What can be
    told at once is told before anything is mapped or generated.
    """
    require_perplexity(request.perplexity)
    MethodSettings(request.seed)
    tables = _read_tables(request)
    groups = _groups(tables)
    numbers = {name: number for number, name in enumerate(groups)}
    notes: dict[str, str] = {}
    size = _image_size(tables)
    sketches = _read_sketches(request, size, groups, notes)
    claims = None if request.claims is None else read_claims(request.claims)
    columns = table_columns(tables, list(groups))
    if request.columns is not None:
        columns += read_columns(request.columns, list(groups))
    selected = _selected(request, list(groups), notes)
    leakage = _leakage(request)
    is_large = request.large or len(groups) > MOST_SKETCHES
    if is_large:
        _require_no_faces(request, len(groups), notes)
        generators = {}
    else:
        generators = _generators(request, tables, sketches, notes)
    bases = {}
    if sketches is not None:
        bases = dict(zip(sketches.index["sketch"], sketches.index["base"], strict=True))

    rows: list[PanelRow] = []
    embeddings: dict[str, list[EmbeddingTable]] = {method: [] for method in request.methods}
    for table in track(tables, "mapping"):
        panels, found = map_panels(
            table,
            request.methods,
            numbers,
            bases,
            seed=request.seed,
            perplexity=request.perplexity,
        )
        for method, embedding in found.items():
            embeddings[method].append(embedding)
        name = table.checkpoint
        # All pairs of very many would take hours, and their distances most of the page.
        near = [] if is_large else [nearest(table, layer, numbers) for layer in table.layers]
        rows.append(PanelRow(name, table.metadata, table.points[0], panels, near))
    _note_methods(rows, embeddings, notes)

    boxes: list[Frame] = list(
        dict.fromkeys(panel.box for row in rows for panel in row.panels if panel.box is not None)
    )
    read = SketchReader(most=_READ_SKETCHES if is_large else None)
    return Contents(
        title=request.title,
        sketches=picture_sketches(groups, sketches, boxes, read, SMALL_SIDE if is_large else None),
        rows=rows,
        captions={method: method_caption(found) for method, found in embeddings.items() if found},
        size=size,
        boxes=boxes,
        generators=[
            paint_sketches(source, sketches, groups.keys(), read, called, request.kept)
            for source, called in generators.items()
            if sketches is not None
        ],
        claims=claims,
        leakage=leakage,
        notes={**notes, **_missing(request)},
        command=request.command,
        columns=columns,
        movements=[] if is_large else movements(tables, rows, numbers),
        selected=selected,
        is_large=is_large,
    )


def _selected(request: ReportRequest, names: Sequence[str], notes: dict[str, str]) -> list[str]:
    if request.select is None:
        return []
    selected, others = read_selection(request.select, names)
    if others:
        notes["selection"] = f"`{request.select}` names {others} more, which no table has."
    return selected


def _read_tables(request: ReportRequest) -> list[FeatureTable]:
    if not request.features:
        raise FeatvizError("expected at least one feature table; `featviz extract` makes them")
    for method in request.methods:
        if method not in METHODS:
            raise FeatvizError(f"unknown method '{method}'; there are {', '.join(METHODS)}")
    if not request.methods:
        raise FeatvizError(f"expected at least one method; there are {', '.join(METHODS)}")
    tables = []
    for path in request.features:
        table = read_features(path)
        if len(table) == 0:
            raise FeatvizError(f"{path} holds no sketches")
        points = None if request.point is None else [request.point]
        table = table.select(points=points, layers=request.layers or None)
        if len(table.points) > 1:
            there = ", ".join(f"{x} {y}" for x, y in table.points)
            raise FeatvizError(f"{path} holds several points; choose one with --point: {there}")
        tables.append(table)
    return tell_apart(tables, request.features)


def _groups(tables: Sequence[FeatureTable]) -> dict[str, str]:
    """Sketch -> group over all tables, group by group, both in natural order."""
    found: dict[str, str] = {}
    for table in tables:
        for name, group in zip(table.rows["sketch"], table.rows["group"], strict=True):
            if found.setdefault(name, group) != group:
                raise FeatvizError(
                    f"sketch '{name}' is in group '{found[name]}' of one table and in '{group}' "
                    "of another; expected tables of one sketch set"
                )
    ordered = sorted(found, key=lambda name: (natural_key(found[name]), natural_key(name)))
    return {name: found[name] for name in ordered}


def _image_size(tables: Sequence[FeatureTable]) -> tuple[int, int]:
    """Width and height of the sketches that the tables were read from, of which the page has one.

    Points and receptive fields of a table are in pixels of its own sketches. A table need not know
    its size. Raises FeatvizError if two differ.
    """
    sizes: dict[tuple[int, int], str] = {}
    for table in tables:
        if size := table.metadata.get("size"):
            width, height = (size, size) if isinstance(size, int) else size
            name = table.checkpoint
            sizes.setdefault((int(width), int(height)), name)
    if len(sizes) > 1:
        told = ", ".join(f"{name} {width}x{height}" for (width, height), name in sizes.items())
        raise FeatvizError(
            f"the tables were read from sketches of different sizes: {told}; expected one size"
        )
    return next(iter(sizes), (CANVAS, CANVAS))


def _read_sketches(
    request: ReportRequest, size: tuple[int, int], groups: dict[str, str], notes: dict[str, str]
) -> SketchSet | None:
    if request.sketches is None:
        notes["sketches"] = (
            "The page shows no pictures, for there is no folder `sketches` here; name yours with "
            "`featviz report ... --sketches DIR`."
        )
        return None
    width, height = size
    if width != height:
        notes["sketches"] = (
            f"The page shows no pictures: the tables are of images of {width}x{height} pixels, "
            "and a sketch set has square ones."
        )
        return None
    sketches = read_sketches(request.sketches, width)
    known = sum(name in groups for name in sketches.index["sketch"])
    if not known:
        example = next(iter(groups))
        notes["sketches"] = (
            f"The page shows no pictures: `{request.sketches}` has none of the tables' "
            f"{len(groups)} sketches, such as '{example}'; name their set with "
            "`featviz report ... --sketches DIR`."
        )
        return None
    if known < len(groups):
        notes["sketches"] = (
            f"`{request.sketches}` has {known} of the tables' {len(groups)} sketches; the others "
            "have no picture."
        )
    return sketches


def _note_methods(
    rows: Sequence[PanelRow], embeddings: dict[str, list[EmbeddingTable]], notes: dict[str, str]
) -> None:
    """Tell of methods that map nothing here; raises FeatvizError if none does."""
    problems = {
        method: next(panel.maps[method].problem for row in rows for panel in row.panels)
        for method, found in embeddings.items()
        if not found
    }
    told = "; ".join(f"{METHODS[method].label}: {why}" for method, why in problems.items())
    if len(problems) == len(embeddings):
        raise FeatvizError(f"no layer can be mapped ({told})")
    if told:
        notes["methods"] = f"Left out, for it maps no layer here: {told}."


def _generators(
    request: ReportRequest,
    tables: Sequence[FeatureTable],
    sketches: SketchSet | None,
    notes: dict[str, str],
) -> dict[str, str]:
    """The generators whose faces are shown, and their names; each can be loaded and is whole."""
    asked = request.generators
    names = default_generators(table.metadata for table in tables) if asked is None else asked
    if sketches is None:
        if asked:
            raise FeatvizError("faces are made of sketches; name their folder with --sketches DIR")
        if request.kept:
            raise FeatvizError("edits are of sketches; name their folder with --sketches DIR")
        return {}
    if not names:
        notes["faces"] = (
            "No faces: these checkpoints have no whole generator at hand; name one with "
            "`featviz report ... --generators NAME`."
            if asked is None
            else "No faces were asked for; `--generators NAME` shows those of a whole generator."
        )
        if request.kept:
            raise FeatvizError("edits are kept by whole generators; name one with --generators")
        return {}
    names = list(dict.fromkeys(names))
    for name in names:
        load_whole(name)
    return dict(zip(names, distinct_names(names), strict=True))


def _require_no_faces(request: ReportRequest, count: int, notes: dict[str, str]) -> None:
    """A large page has no room for faces; raises FeatvizError if some are asked for."""
    if request.generators or request.kept:
        raise FeatvizError(
            f"a large report shows no faces, and this one is of {count} sketches; leave out "
            f"--generators and --kept, or take tables of at most {MOST_SKETCHES} without --large"
        )
    notes["faces"] = "A large report shows no faces; one of fewer sketches does."


def _leakage(request: ReportRequest) -> ReportedLeakage | None:
    if request.leakage is None:
        return None
    paths = sorted(request.leakage.glob("*.npz"), key=lambda path: natural_key(path.name))
    if not paths:
        raise FeatvizError(
            f"{request.leakage} holds no leakage maps (.npz); `featviz leakage` writes them"
        )
    return picture_leakage([read_maps(path) for path in paths])


def _missing(request: ReportRequest) -> dict[str, str]:
    tables = " ".join(map(str, request.features))
    notes = {}
    if request.claims is None:
        notes["claims"] = (
            f"Not in this report. `featviz claims {tables} --out claims.json` judges the study's "
            "claims, and `featviz report ... --claims claims.json` shows them."
        )
    if request.leakage is None:
        notes["leakage"] = (
            "Not in this report. `featviz leakage CHECKPOINT... --out leakage` measures the maps, "
            "and `featviz report ... --leakage leakage` shows them."
        )
    return notes
