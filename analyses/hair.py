"""`python -m analyses.hair`: does a generator that was trained with hair make hair of drawn hair?

Two generators go on from the same weights with the same faces, steps and seed: one sees contours
with the hair that was found in the photos, one contours alone. Both, and the weights they began
with, are judged on held-out faces and on the drawn edits that add hair.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from analyses.faces import Cell, Face, Pixels, Sketch, gallery
from analyses.pictures import MADE
from analyses.study import ROOT
from featviz.analysis.evaluation.estimates import mean_estimate
from featviz.analysis.evaluation.images import Painter, painter
from featviz.analysis.evaluation.lpips import Lpips, load_lpips, reduce_to
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.progress import track
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ColumnKind, Table
from featviz.commands.shared import plain_table, say, use_threads
from featviz.faces.contours import HAIR
from featviz.faces.hair import with_hair
from featviz.faces.hair_region import find_hair_region
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import open_checkpoint
from featviz.sketches.drawing import CANVAS, INK, Drawing, rasterize
from featviz.sketches.edits import Edit, absolute_change, edits_of, near
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import decode_image, encode_image
from featviz.training.loop import train
from featviz.training.presets import preset
from featviz.training.start import settings_of

Mask = NDArray[np.bool_]

TRAINED = {"plain": False, "hair": True}
"""The runs, and whether each draws hair."""
GROUP = "G1"
"""The edits that add hair."""
_FEATURES = ("left-eye", "right-eye", "mouth")
_AROUND = 12.0
"""Pixels at 512 around the lines of eyes and mouth that belong to them."""
_SHOWN = 4

MEASURES = {
    "lpips hair, none drawn": "LPIPS in hair, none drawn",
    "lpips hair": "LPIPS in hair, drawn",
    "lpips face, none drawn": "LPIPS elsewhere, none drawn",
    "lpips face": "LPIPS elsewhere, hair drawn",
    "overlap, none drawn": "hair found again, none drawn",
    "overlap": "hair found again, drawn",
    "inside": "change by hair: inside",
    "features": "at eyes and mouth",
    "G1 inside": "G1: inside",
    "G1 features": "G1: at eyes and mouth",
}
"""By name in the table, what each is called in print; see `HairTable`."""


@dataclass(frozen=True, eq=False)
class HairTable(Table):
    """One row a generator, measure and face, or edit (`number`). digest: of the generator.

    lpips hair: distance from the photo within the photo's hair; lpips face: everywhere else.
    overlap: of the hair found in the image and in the photo, intersection over union. inside,
    features: change, grey levels, when hair is drawn to a held-out contour, in the edited area and
    at eyes and mouth as far as they lie outside of it; G1: of the drawn edits.
    """

    noun: ClassVar[str] = "comparison of generators with hair"
    command: ClassVar[str] = "python -m analyses.hair"
    columns: ClassVar[dict[str, ColumnKind]] = {
        **dict.fromkeys(("generator", "digest", "measure"), "text"),
        "number": "whole",
        "value": "number",
    }
    key: ClassVar[tuple[str, ...]] = ("generator", "measure", "number")
    endings: ClassVar[tuple[str, ...]] = (".json",)

    def of(self, generator: str, measure: str) -> "pd.Series[float]":
        """The values of a generator by the number of the face or edit."""
        found = self.values(generator=generator, measure=measure)
        return found.set_index("number")["value"]


@dataclass(frozen=True)
class Options:
    """Go on training with hair and without, judge both, write and draw."""

    runs: Path = Path("runs/hair")
    """Folder of the two runs, `hair` and `plain`."""
    data: Path = Path("data/faces")
    """Folder of the pairs, whose hair was found by `featviz faces contours --hair`."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    start_from: str = "modified"
    """The checkpoint that both begin with."""
    steps: int = 600
    """Updates of each generator."""
    pairs: int = 16
    """Held-out faces that are looked at."""
    edits: int = 8
    """Drawn edits that are looked at."""
    lpips_size: int = 128
    """Larger images are averaged down to this side for LPIPS."""
    table: Path = ROOT / MADE / "hair.json"
    """A .json, which a call that was stopped goes on from."""
    figure: Path = ROOT / MADE / "hair.png"
    """The picture: contours with hair down, generators across."""
    threads: int = 1
    """CPU threads."""


def made(name: str, options: Options, pairs: PairSet) -> Painter:
    """A generator of `TRAINED`, trained unless it is there."""
    folder = options.runs / name
    is_there = (folder / "generator.safetensors").is_file()
    if not is_there or open_checkpoint(folder).metadata["step"] < options.steps:
        alike = settings_of(options.start_from) | {"steps": options.steps, "hair": TRAINED[name]}
        resume = (folder / "config.json").is_file()
        start = None if resume else options.start_from
        drawn = pairs if TRAINED[name] else without_hair(pairs)
        train(preset("demo", **alike), drawn, folder, resume=resume, start_from=start)
    return painter(open_checkpoint(folder))


def without_hair(pairs: PairSet) -> PairSet:
    """The same pairs, whose contours have no hair."""
    return replace(pairs, hair=())


def of_face(paint: Painter, pairs: PairSet, index: int, sees: "Sees") -> dict[str, float]:
    """What is measured of one held-out face, by names of `MEASURES`."""
    photo = pairs.photo(index, paint.size)
    landmarks = pairs.landmarks[index] * (paint.size / pairs.size)
    hair, _ = find_hair_region(photo, landmarks)
    edited = pairs.contour(index, paint.size)
    base = edited.with_part(HAIR, ())
    images = {", none drawn": paint(base), "": paint(edited)}
    found: dict[str, float] = {}
    for drawn, image in images.items():
        where = sees.distances(image, encode_image(photo)[None], hair)
        found["lpips hair" + drawn], found["lpips face" + drawn] = where
        found["overlap" + drawn] = overlap(decode_image(image[0]), landmarks, hair)
    return found | changes(images[""], images[", none drawn"], base, edited)


@dataclass(frozen=True, eq=False)
class Sees:
    """LPIPS at a size, in a mask and outside of it."""

    lpips: Lpips
    size: int

    def distances(self, image: Tensor, photo: Tensor, mask: Mask) -> tuple[float, float]:
        """Of two images (1, 3, H, W): at the positions of each layer that lie mostly in a mask
        (h, w) of all of them, and at the others.
        """
        with torch.inference_mode():
            maps, of_photo = (
                self.lpips.maps(reduce_to(each, self.size)) for each in (image, photo)
            )
            share = torch.from_numpy(mask)[None, None].float()
            inside = [
                F.adaptive_avg_pool2d(share, (each.shape[-2], each.shape[-1]))[0, 0] > 0.5
                for each in maps
            ]
            outside = [~each for each in inside]
            first, second = (
                float(self.lpips.distance(maps, of_photo, where)) for where in (inside, outside)
            )
        return first, second


def overlap(image: Pixels, landmarks: NDArray[np.floating], hair: Mask) -> float:
    """Intersection over union of the hair found in an image and that of its photo; 0 without."""
    try:
        found, _ = find_hair_region(image, landmarks)
    except FeatvizError:
        return 0.0
    return float((found & hair).sum() / max((found | hair).sum(), 1))


def changes(image: Tensor, before: Tensor, base: Drawing, edited: Drawing) -> dict[str, float]:
    """What an edit changed, grey levels: in its area, and at eyes and mouth outside of that."""
    edit = Edit(rasterize(base), rasterize(edited))
    parts = tuple(stroke for stroke in base.strokes if stroke.part in _FEATURES)
    ink = rasterize(Drawing(parts, base.size)) == INK
    features = near(ink, _AROUND * base.size / CANVAS) & ~edit.area
    changed = absolute_change(image, before)
    return {
        name: float(changed[where].mean()) if where.any() else float("nan")
        for name, where in (("inside", edit.area), ("features", features))
    }


def of_edits(paint: Painter, sketches: SketchSet, most: int) -> dict[str, list[float]]:
    """The changes by each drawn edit that adds hair."""
    at, found = sketches.at(paint.size), []
    before: dict[int, Tensor] = {}
    for number, base in edits_of(sketches, most):
        if base not in before:
            before[base] = paint(at.drawing(base))
        image = paint(at.drawing(number))
        found.append(changes(image, before[base], at.drawing(base), at.drawing(number)))
    return {f"{GROUP} {name}": [each[name] for each in found] for name in ("inside", "features")}


def judged(
    paint: Painter, pairs: PairSet, sketches: SketchSet, edits: int, sees: Sees
) -> pd.DataFrame:
    """Every measure of a generator, face by face and edit by edit: measure, number, value."""
    faces = [of_face(paint, pairs, n, sees) for n in track(range(len(pairs)), "held-out faces")]
    values = {name: [face[name] for face in faces] for name in faces[0]}
    rows = [
        (measure, number, value)
        for measure, of_each in (values | of_edits(paint, sketches, edits)).items()
        for number, value in enumerate(of_each)
    ]
    return pd.DataFrame(rows, columns=["measure", "number", "value"])


def judge_all(
    options: Options, training: PairSet, chosen: PairSet, sketches: SketchSet
) -> Iterator[tuple[HairTable, dict[str, Painter]]]:
    """The table and the generators, again with each; one that was judged before is not again."""
    metadata = {
        VERSION_KEY: VERSION,
        "steps": options.steps,
        "edits": options.edits,
        "lpips_size": options.lpips_size,
        "data": training.split("train").fingerprint(),
        "held_out": chosen.fingerprint(),
    }
    known = HairTable.read(options.table) if options.table.is_file() else None
    if known is not None and known.metadata != metadata:
        known = None
    sees = Sees(load_lpips(), options.lpips_size)
    parts: list[pd.DataFrame] = []
    paints: dict[str, Painter] = {}
    for name in (options.start_from, *TRAINED):
        paint = made(name, options, training) if name in TRAINED else painter(open_checkpoint(name))
        digest = paint.checkpoint.digest
        rows = pd.DataFrame() if known is None else known.values(generator=name, digest=digest)
        if rows.empty:
            rows = judged(paint, chosen, sketches, options.edits, sees)
            rows = rows.assign(generator=name, digest=digest)
        parts.append(rows)
        paints[name] = paint
        yield HairTable(pd.concat(parts, ignore_index=True), metadata), paints


def printed(table: HairTable) -> str:
    """Means and their standard errors: measures down, generators across.

    Last is the difference of the two trained ones, face by face.
    """
    generators = list(table.names("generator"))
    is_whole = set(TRAINED) <= set(generators)
    titles = [*generators, "hair - plain"] if is_whole else generators
    lines = []
    for measure, title in MEASURES.items():
        values = [table.of(each, measure) for each in generators]
        if is_whole:
            values.append(table.of("hair", measure) - table.of("plain", measure))
        means = [mean_estimate(each) for each in values]
        lines.append([title, *(f"{it.value:.3g} ± {it.standard_error:.2g}" for it in means)])
    told = plain_table(["", *titles], lines, titles)
    return f"{told}\n{on_own_contours(table)}" if is_whole else told


def on_own_contours(table: HairTable) -> str:
    """How the two trained ones differ, each given contours as it was trained with."""
    told = []
    for where in ("hair", "face"):
        drawn, bare = f"lpips {where}", f"lpips {where}, none drawn"
        it = mean_estimate(table.of("hair", drawn) - table.of("plain", bare))
        title = MEASURES[drawn].partition(",")[0]
        told.append(f"{title}: {it.value:+.3f} ± {it.standard_error:.3f}")
    return f"hair with hair drawn - plain with none drawn: {', '.join(told)}"


def hair_figure(
    paints: Mapping[str, Painter], pairs: PairSet, sketches: SketchSet, steps: int
) -> Figure:
    """Held-out contours with hair, then drawn edits that add hair, and what each makes of them."""
    size = next(iter(paints.values())).size
    drawn = {f"held out {n + 1}": pairs.contour(n, size) for n in range(min(_SHOWN, len(pairs)))}
    photos: list[Cell] = [Face(pairs.photo(n, size)) for n in range(len(drawn))]
    numbers = [number for number, _ in edits_of(sketches, 3)]
    drawn |= {str(sketches.index["sketch"].iloc[n]): sketches.at(size).drawing(n) for n in numbers}
    rows: dict[str, Sequence[Cell]] = {}
    for row, (name, drawing) in enumerate(drawn.items()):
        cells: list[Cell] = [Sketch(rasterize(drawing)), None]
        if row < len(photos):
            cells[1] = photos[row]
        bare = drawing.with_part(HAIR, ())
        for paint in paints.values():
            cells += [Face(decode_image(paint(each)[0])) for each in (bare, drawing)]
        rows[name] = cells
    titles = ["drawn", "photo"]
    for name in paints:
        titles += [f"{name}:\nno hair drawn", f"{name}:\nhair drawn"]
    text = (
        "What three generators make of the same drawings without their hair and with it: the "
        f"shipped weights, and {steps} steps from there with contours alone (plain) or with hair."
    )
    return gallery(rows, text, titles)


def main(arguments: list[str] | None = None) -> None:
    """Train, judge, write, draw; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.hair", args=arguments)
    with ending_in_one_line("analyses.hair"):
        use_threads(options.threads)
        HairTable.check_ending(options.table)
        sketches = read_sketches(options.sketches).of_groups(GROUP)
        training = with_hair(read_pairs(options.data))
        chosen, _ = choose_pairs(training, options.pairs, 0)
        for so_far in judge_all(options, training, chosen, sketches):
            table, paints = so_far
            table.write(options.table)
        say(printed(table))
        with style():
            save_figure(hair_figure(paints, chosen, sketches, options.steps), options.figure)
        say(options.table, options.figure)


if __name__ == "__main__":
    main()
