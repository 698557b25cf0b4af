"""`python -m analyses.systems`: pix2pixHD, pix2pix, CRN and retrieval on the same faces.

Each generator is trained, or taken up where it is there, with the same faces, size, steps and seed
and its own paper's losses; retrieval gets its data base of the same faces. All are judged on the
same held-out faces and edits, and the table is written anew with each: what is stopped goes on
where it was.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure

from analyses.faces import Cell, Face, Sketch, gallery
from analyses.leakage import KINDS
from analyses.pictures import MADE
from analyses.study import ROOT
from analyses.zoo import following
from featviz.analysis.claims.deformation import deform
from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
from featviz.analysis.evaluation.images import Paints, painter
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.analysis.evaluation.retrieved import retrieving_painters
from featviz.base.errors import ending_in_one_line
from featviz.base.provenance import VERSION, VERSION_KEY
from featviz.base.table import ALL_GROUPS, ColumnKind, Table
from featviz.commands.shared import plain_table, say, use_threads
from featviz.faces.contours import contours
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import open_checkpoint
from featviz.retrieval.database import build_database
from featviz.sketches.drawing import Drawing, rasterize
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import decode_image
from featviz.training.loop import train
from featviz.training.presets import TrainingConfig, preset

SYSTEMS: Mapping[str, str] = {
    "global": "pix2pixHD",
    "unet": "pix2pix",
    "crn": "CRN",
    "retrieval": "retrieval",
}
"""By `featviz train --generator` what each is called."""
MEASURES = {
    "lpips": "LPIPS",
    "kernel": "kernel distance",
    "followed": "off the contour, px",
    "found": "faces found",
    "inside": "inside",
    "outside": "outside",
    "ratio": "outside / inside",
    "seconds": "seconds a face",
    "megabytes": "MB",
}


@dataclass(frozen=True, eq=False)
class Systems(Table):
    """One row a system. digest: of the generator, or of the data base's faces.

    kernel: distance of the faces to photos. followed: between a landmark of the contour and the
    same one found in the face, px at 512, and found: in how many of the faces. inside, outside:
    change by edits, grey levels. seconds: of the processor, one thread. megabytes: of weights, or
    of the data base with its photos.
    """

    noun: ClassVar[str] = "comparison of systems"
    command: ClassVar[str] = "python -m analyses.systems"
    columns: ClassVar[dict[str, ColumnKind]] = {
        **dict.fromkeys(("system", "digest"), "text"),
        **dict.fromkeys(MEASURES, "number"),
    }
    key: ClassVar[tuple[str, ...]] = ("system",)
    endings: ClassVar[tuple[str, ...]] = (".csv", ".json")


@dataclass(frozen=True)
class Options:
    """Train pix2pixHD, pix2pix and CRN alike, build a data base, judge all, write and draw."""

    runs: Path = Path("runs/systems")
    """Folder of the runs and the data base, one each, called as in `featviz train --generator`."""
    data: Path = Path("data/faces")
    """Folder of the pairs to train with; see `featviz faces`."""
    held_out: Path | None = None
    """Folder of pairs whose test split judges; that of `data` unless given."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    size: int = 256
    """Side of sketches and faces in pixels."""
    steps: int = 800
    """Updates of each generator."""
    width: int | None = None
    """Channels of the finest layer of each; those of the demo preset unless given."""
    pairs: int = 32
    """Held-out faces that are looked at."""
    edits: int = 4
    """Edits a group."""
    lpips_size: int = 128
    """Larger images are averaged down to this side for LPIPS and the kernel distance."""
    table: Path = ROOT / MADE / "systems.csv"
    """A .csv or .json."""
    figure: Path = ROOT / MADE / "systems.png"
    """The picture: systems down, sketches across."""
    threads: int = 1
    """CPU threads."""


def config_of(generator: Any, options: Options) -> TrainingConfig:
    """The settings of a run: those of its preset, but for what all have alike."""
    alike: dict[str, Any] = {"size": options.size, "steps": options.steps, "seed": 0}
    if options.width is not None:
        alike["width"] = options.width
    return preset("demo", generator=generator, precision="float32", **alike)


def made(name: str, options: Options, pairs: PairSet) -> tuple[Paints, str, float]:
    """A system, trained or built unless it is there: what paints, its digest, its size in bytes."""
    folder = options.runs / name
    if name == "retrieval":
        build_database(pairs, folder)
        paint = retrieving_painters([folder], options.size, ())[name]
        photos = paint.retrieve.database.pairs
        files = [*folder.iterdir(), *(photos.folder / "photos" / each for each in photos.names)]
        return paint, paint.provenance()["digest"], sum(path.stat().st_size for path in files)
    config, file = config_of(name, options), folder / "generator.safetensors"
    there = open_checkpoint(folder).metadata["step"] if file.is_file() else 0
    if there < options.steps:
        train(config, pairs, folder, resume=(folder / "config.json").is_file())
    checkpoint = open_checkpoint(folder)
    return painter(checkpoint, options.size), checkpoint.digest, file.stat().st_size


def judged(
    name: str, options: Options, training: PairSet, held_out: PairSet, sketches: SketchSet
) -> tuple[dict[str, Any], Paints]:
    """A row of the table, and what made the faces."""
    paint, digest, size = made(name, options, training)
    settings = EvaluationSettings(
        ("quality", "locality"), options.pairs, edits=options.edits, size=options.size,
        lpips_size=options.lpips_size,
    )  # fmt: skip
    table, _ = evaluate([options.runs / name], settings, held_out, sketches)
    chosen, _ = choose_pairs(held_out, options.pairs, 0)
    begun = time.process_time()
    for index in range(len(chosen)):
        paint(chosen.contour(index, options.size))
    seconds = (time.process_time() - begun) / len(chosen)
    followed, found = following(paint, chosen)
    values: dict[str, float] = {
        key: table.estimate(part=part, measure=measure, **where).value
        for key, part, measure, where in (
            ("lpips", "quality", "lpips", {}),
            ("kernel", "quality", "kernel distance", {}),
            ("inside", "locality", "inside", {"group": ALL_GROUPS}),
            ("outside", "locality", "outside", {"group": ALL_GROUPS}),
            ("ratio", "locality", "outside / inside", {"group": ALL_GROUPS}),
        )
    }
    row = {"system": SYSTEMS[name], "digest": digest, **values, "followed": followed}
    return row | {"found": found, "seconds": seconds, "megabytes": size / 1e6}, paint


def judge_all(
    options: Options, training: PairSet, held_out: PairSet, sketches: SketchSet
) -> Iterator[tuple[Systems, dict[str, Paints]]]:
    """The table and what paints, again with each system."""
    metadata = {
        VERSION_KEY: VERSION,
        "size": options.size,
        "steps": options.steps,
        "data": training.split("train").fingerprint(),
        "held_out": held_out.split("test").fingerprint(),
    }
    rows, paints = [], {}
    for name, called in SYSTEMS.items():
        row, paints[called] = judged(name, options, training, held_out, sketches)
        rows.append(row)
        say(f"{called}: LPIPS {row['lpips']:.3f}")
        yield Systems(pd.DataFrame(rows), metadata), paints


def shown_sketches(held_out: PairSet, sketches: SketchSet, size: int) -> dict[str, Drawing]:
    """A held-out contour, a drawn one, an edit of its mouth, and a contour drawn badly."""
    chosen, _ = choose_pairs(held_out, 3, 0)
    mouths = sketches.index[sketches.index["edited_part"] == "mouth"]
    edited = sketches.number(str(mouths["sketch"].iloc[0]))
    base = sketches.number(str(mouths["base"].iloc[0]))
    bad = contours(deform(chosen.landmarks[1] * (512 / chosen.size), 1.0))
    drawn = {
        "contour": chosen.contour(0),
        "drawn": sketches.drawing(base),
        "mouth edited": sketches.drawing(edited),
        "deformed": bad,
    }
    return {title: drawing.scaled(size) for title, drawing in drawn.items()}


def systems_figure(
    paints: Mapping[str, Callable[[Drawing], Any]], drawn: Mapping[str, Drawing], steps: int
) -> Figure:
    """Systems down, sketches across."""
    rows: dict[str, list[Cell]] = {"sketch": [Sketch(rasterize(each)) for each in drawn.values()]}
    for name, paint in paints.items():
        rows[name] = [Face(decode_image(paint(each)[0])) for each in drawn.values()]
    text = (
        f"What each system makes of the same sketches: generators after {steps} steps with the "
        "same faces, retrieval with these as its data base."
    )
    return gallery(rows, text, list(drawn))


def main(arguments: list[str] | None = None) -> None:
    """Train, judge, write, draw; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.systems", args=arguments)
    with ending_in_one_line("analyses.systems"):
        use_threads(options.threads)
        Systems.check_ending(options.table)
        sketches = read_sketches(options.sketches).of_groups(*KINDS)
        training = read_pairs(options.data)
        held_out = training if options.held_out is None else read_pairs(options.held_out)
        for so_far in judge_all(options, training, held_out, sketches):
            table, paints = so_far
            table.write(options.table)
        titles = ["system", *MEASURES.values()]
        cells = table.rows[["system", *MEASURES]].itertuples(index=False)
        lines = [[name, *(_told(number) for number in numbers)] for name, *numbers in cells]
        say(plain_table(titles, lines, titles[1:]))
        drawn = shown_sketches(held_out, sketches, options.size)
        with style():
            save_figure(systems_figure(paints, drawn, options.steps), options.figure)
        say(options.table, options.figure)


def _told(number: float) -> str:
    return "-" if np.isnan(number) else f"{number:.3g}"


if __name__ == "__main__":
    main()
