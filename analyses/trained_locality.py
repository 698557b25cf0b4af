"""`python -m analyses.trained_locality`: locality by loss, norm or local editing, and its price.

All runs begin with the same trained network and go on alike, with another weight of the loss on
locality or another norm each. A run is trained, or taken up where it is there, judged, and written
before the next one begins: what is stopped goes on where it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure

from analyses.faces import Cell, Face, Sketch, edit_change, gallery
from analyses.leakage import KINDS, rewrite
from analyses.pictures import MADE
from analyses.study import ROOT
from analyses.trained_locality_table import KEPT, WAYS, Tradeoff, tradeoff_figure, tradeoff_table
from featviz.analysis.evaluation.distributions import kernel_distance
from featviz.analysis.evaluation.estimates import mean_estimate, ratio_estimate
from featviz.analysis.evaluation.images import Painter, painter
from featviz.analysis.evaluation.local import Perception, across_border, landmark_distances
from featviz.analysis.evaluation.lpips import Lpips, load_lpips
from featviz.analysis.evaluation.pairs import choose_pairs, measure_pairs
from featviz.analysis.evaluation.ways import FREE_WAY, Way, faces_of
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.files import atomic_write
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.commands.shared import remark, say, use_threads
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import open_checkpoint
from featviz.sketches.drawing import Drawing, changed_parts, rasterize
from featviz.sketches.edits import Edit, absolute_change, edits_of
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import decode_image
from featviz.training.folder import read_folder
from featviz.training.loop import train
from featviz.training.part_edits import edited_sketch
from featviz.training.presets import TrainingConfig, preset
from featviz.training.start import settings_of

START = "start"
"""The run that all others begin with."""
RUNS: Mapping[str, dict[str, Any]] = {
    "locality-0": {"locality": 0.0},
    "locality-1": {"locality": 1.0},
    "locality-10": {"locality": 10.0},
    "locality-100": {"locality": 100.0},
    "locality-1000": {"locality": 1000.0},
    "norm-front=none": {"variant": "no-norm"},
    "norm-region": {"norm": "region"},
    "norm-pixel": {"norm": "pixel"},
}
"""By name what each run has otherwise."""
RECIPE: dict[str, Any] = {"size": 256, "precision": "float32"}
START_STEPS, STEPS = 1000, 400
SEEDS = 2
"""Orders of the pairs in which each run is trained; the start is the same for all."""
SHOWN_EDITS = ("mouth", "nose", "left-eye")


@dataclass(frozen=True)
class Judging:
    """How much of a run is looked at: a minute of one core.

    pairs: held-out faces, each with one part of another. edits: of the drawn set, a group.
    lpips_size: larger images are averaged down to this side for LPIPS and descriptors.
    """

    pairs: int = 64
    edits: int = 4
    lpips_size: int = 128


@dataclass(frozen=True)
class Options:
    """Train from one start with each weight and norm, judge, write table, figures and the page."""

    runs: Path = Path("runs/trained-locality")
    """Folder of the runs."""
    start: Path | None = None
    """The run that all begin with; RUNS/start unless given, which is trained if it is not there."""
    data: Path = Path("data/faces")
    """Folder of the pairs; see `featviz faces`. Their test split judges."""
    train: bool = True
    """Train what is not there; else judge what is."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    table: Path = ROOT / MADE / "trained-locality.json"
    """What was judged before, and is from now on; a .csv of the same name is written beside it."""
    figure: Path = ROOT / MADE / "trained-locality.png"
    """The picture; another one of faces is put beside it, as NAME-faces."""
    page: Path = ROOT / "docs" / "trained-locality.md"
    """The page whose table is written anew."""
    threads: int = 1
    """CPU threads."""


@dataclass(frozen=True, eq=False)
class DrawnEdit:
    """An edit, as pixels and as the two drawings."""

    edit: Edit
    base: Drawing
    edited: Drawing


def wanted() -> list[tuple[str, int]]:
    """Name and seed of every run, the first seed of all first."""
    return [(START, 0), *((name, seed) for seed in range(SEEDS) for name in RUNS)]


def config_of(name: str, seed: int, start: Path) -> TrainingConfig:
    """The settings of a run; what none says is as the start has it."""
    alike = RECIPE | {"seed": seed}
    if name == START:
        return preset("demo", **alike, steps=START_STEPS)
    return preset("demo", **(settings_of(start) | alike | {"steps": STEPS} | RUNS[name]))


def trained(name: str, seed: int, options: Options, training: PairSet) -> Path | None:
    """The folder of a finished run, trained if it is not; None if it is not to be.

    Raises FeatvizError if the folder holds a run of other settings.
    """
    start = options.start or options.runs / START
    called = f"{name}-seed{seed}" if seed else name
    folder = start if name == START else options.runs / called
    if name == START and options.start is not None:
        return start
    config = config_of(name, seed, start)
    begun = (folder / "config.json").is_file()
    if begun:
        told = read_folder(folder, resume=True)
        other = [key for key, value in config.to_json().items() if told[key] != value]
        if other or told["data"] != training.split("train").fingerprint():
            raise FeatvizError(f"{folder} is a run of other {other[0] if other else 'data'}")
    file = folder / "generator.safetensors"
    if file.is_file() and open_checkpoint(folder).metadata["step"] == config.steps:
        return folder
    if not options.train:
        return None
    source = None if name == START else start
    train(config, training, folder, resume=begun, start_from=source)
    return folder


def held_out_edits(pairs: PairSet, size: int) -> list[DrawnEdit]:
    """Each contour and what it is with one part of another one's; always the same ones.

    Where no pixel differs, at a small size, there is no edit.
    """
    edits = []
    for index in range(len(pairs)):
        base = pairs.contour(index, size)
        random = np.random.default_rng(index)
        edited = edited_sketch(base, pairs.landmarks[index], pairs, index, random)
        edit = Edit(rasterize(base), rasterize(edited), number=index, base_number=index)
        edits.append(DrawnEdit(edit, base, edited))
    return [each for each in edits if each.edit.area.any()]


def drawn_edits(sketches: SketchSet, most: int, size: int) -> list[DrawnEdit]:
    """Edits of a sketch set, at most so many a group."""
    at_size = sketches.at(size)
    edits = []
    for number, base in edits_of(sketches, most):
        drawings = (at_size.drawing(base), at_size.drawing(number))
        edit = Edit(at_size.image(base), at_size.image(number), number=number, base_number=base)
        edits.append(DrawnEdit(edit, *drawings))
    return [each for each in edits if each.edit.area.any()]


def changes(
    paint: Painter, edits: Sequence[DrawnEdit], ways: Sequence[Way], perception: Perception
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """What edits change in each way, one row an edit and way, and each way's descriptors."""
    of_number = {each.edit.number: each for each in edits}
    rows: list[dict[str, Any]] = []
    seen: dict[str, list[np.ndarray]] = {way.name: [] for way in ways}
    shown = track((each.edit for each in edits), paint.checkpoint.name, len(edits))
    for edit, faces in faces_of(paint, shown, ways):
        drawn = of_number[edit.number]
        free = across_border(faces[FREE_WAY].image, edit.area)
        for way, face in faces.items():
            change = absolute_change(face.image, face.base)
            row = {
                "way": way.name,
                "inside": change[edit.area].mean(),
                "outside": change[~edit.area].mean(),
                "across": across_border(face.image, edit.area),
                "across_free": free,
            }
            rows.append(row | landmark_distances(face.image, drawn.base, drawn.edited))
            seen[way.name].append(perception.described(face.image))
    return pd.DataFrame(rows), {name: np.stack(each) for name, each in seen.items()}


def judged(
    folder: Path,
    ways: Sequence[Way],
    judging: Judging,
    lpips: Lpips,
    pairs: PairSet,
    sketches: SketchSet,
) -> list[dict[str, Any]]:
    """The rows of a run, but for its name and seed."""
    checkpoint = open_checkpoint(folder)
    paint = painter(checkpoint, RECIPE["size"])
    chosen, _ = choose_pairs(pairs, judging.pairs, 0)
    edits = held_out_edits(chosen, paint.size)
    unedited = measure_pairs(paint, lpips, chosen, judging.lpips_size, description=checkpoint.name)
    photos = unedited.of_photos[[each.edit.number for each in edits]]
    perception = Perception(lpips.to(device=paint.device), judging.lpips_size)
    found, seen = changes(paint, edits, ways, perception)
    drawn, _ = changes(paint, drawn_edits(sketches, judging.edits, paint.size), ways, perception)
    rows = []
    for way in seen:
        of_way, of_drawn = (each[each["way"] == way] for each in (found, drawn))
        estimates = {
            "lpips": mean_estimate(unedited.images["lpips"]),
            "kernel": kernel_distance(seen[way], photos),
            "inside": mean_estimate(of_way["inside"]),
            "outside": mean_estimate(of_way["outside"]),
            "ratio": ratio_estimate(of_way["outside"], of_way["inside"]),
            "drawn": ratio_estimate(of_drawn["outside"], of_drawn["inside"]),
            "seam": ratio_estimate(of_way["across"], of_way["across_free"]),
            "followed": mean_estimate(of_way["edited"]),
            "found": mean_estimate(of_way["found"]),
        }
        row: dict[str, Any] = {"way": way, "digest": checkpoint.digest}
        for measure, estimate in estimates.items():
            row |= {measure: estimate.value, f"{measure} error": estimate.standard_error}
        rows.append(row)
    return rows


def judge_all(
    options: Options, judging: Judging, pairs: PairSet, sketches: SketchSet
) -> Iterator[tuple[Tradeoff, dict[str, Path]]]:
    """The table and the runs of the first seed, again with each one.

    What is known of a generator is kept.
    """
    metadata = {
        VERSION_KEY: VERSION,
        "steps": STEPS,
        "pairs": len(choose_pairs(pairs, judging.pairs, 0)[0]),
        "drawn": len(edits_of(sketches, judging.edits)),
        "lpips_size": judging.lpips_size,
        "held_out": pairs.split("test").fingerprint(),
        "sketches": fingerprint(sketches),
    }
    known = Tradeoff.read(options.table) if options.table.is_file() else None
    if known is not None and known.metadata != metadata:
        remark(f"{options.table} was judged otherwise; all runs are judged anew")
        known = None
    lpips = load_lpips()
    rows: list[dict[str, Any]] = []
    folders: dict[str, Path] = {}
    for name, seed in wanted():
        if (folder := trained(name, seed, options, pairs)) is None:
            continue
        folders.setdefault(name, folder)
        before = None if known is None else known.values(run=name, seed=seed)
        if before is not None and set(before["digest"]) == {open_checkpoint(folder).digest}:
            rows += before.to_dict("records")  # type: ignore[arg-type]
        else:
            # What keeping edits costs hangs little on the order of the pairs.
            ways = WAYS if name.startswith("locality") and not seed else (FREE_WAY,)
            found = judged(folder, ways, judging, lpips, pairs, sketches)
            rows += [{"run": name, "seed": seed, **row} for row in found]
            say(f"{name}, seed {seed}: outside / inside {found[0]['ratio']:.3g}")
        yield Tradeoff(pd.DataFrame(rows), metadata), folders


def faces_figure(folders: Mapping[str, Path], pairs: PairSet) -> Figure:
    """Three edits across, runs down: the face of each edited contour, and what changed in it."""
    size = int(RECIPE["size"])
    chosen, _ = choose_pairs(pairs, Judging().pairs, 0)
    edits = held_out_edits(chosen, size)
    shown: list[DrawnEdit] = []
    for part in SHOWN_EDITS:
        of_part = (each for each in edits if part in changed_parts(each.base, each.edited))
        shown.append(next(of_part, edits[len(shown)]))
    sketched: list[Cell] = []
    for each in shown:
        index = each.edit.number
        photo = Face(chosen.photo(index, size))
        sketched += [Sketch(each.edit.edited, each.edit.area), photo]
    rows: dict[str, list[Cell]] = {"edit and\nphoto": sketched}
    for name, folder in folders.items():
        ways = (FREE_WAY, KEPT) if name == "locality-0" else (FREE_WAY,)
        paint = painter(open_checkpoint(folder), size)
        cells: dict[Way, list[Cell]] = {way: [] for way in ways}
        for edit, faces in faces_of(paint, (each.edit for each in shown), ways):
            for way, face in faces.items():
                image, base = (decode_image(each[0]) for each in (face.image, face.base))
                change = edit_change(image, base, edit.edited, edit.base)
                cells[way] += [Face(image), change]
        rows[name.replace("-", "\n", 1)] = cells[FREE_WAY]
        if KEPT in cells:
            rows["locality\n0, kept"] = cells[KEPT]
    text = (
        "Held-out contours with one part of another face (mouth, nose, eyes), the photos of the "
        "contours before, and what each run makes of the edit beside what that changed in its "
        "face. Outlined: the edited area; below: mean change in and out of it, grey levels."
    )
    return gallery(rows, text)


def main(arguments: list[str] | None = None) -> None:
    """Train, judge, write; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.trained_locality", args=arguments)
    with ending_in_one_line("analyses.trained_locality"):
        use_threads(options.threads)
        Tradeoff.check_ending(options.table)
        rewrite(options.page.read_text(encoding="utf-8"), "")
        sketches = read_sketches(options.sketches).of_groups(*KINDS)
        pairs = read_pairs(options.data)
        table = None
        folders: dict[str, Path] = {}
        for so_far in judge_all(options, Judging(), pairs, sketches):
            table, folders = so_far
            for path in (options.table, options.table.with_suffix(".csv")):
                table.write(path)
        if table is None:
            raise FeatvizError(f"{options.runs}: no finished run, and none is to be trained")
        of_faces = options.figure.with_stem(f"{options.figure.stem}-faces")
        with style():
            save_figure(tradeoff_figure(table), options.figure)
            save_figure(faces_figure(folders, pairs), of_faces)
        with atomic_write(options.page) as temporary:
            before, text = options.page.read_text(encoding="utf-8"), tradeoff_table(table, wanted())
            temporary.write_text(rewrite(before, text), encoding="utf-8")
        say(options.table, options.figure, of_faces, options.page)


if __name__ == "__main__":
    main()
