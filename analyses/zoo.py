"""`python -m analyses.zoo`: a small generator for each norm, trained alike, judged; docs/norms.md.

Each run is trained, or taken up where it is there, judged, and written before the next one begins:
what is stopped goes on where it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure

from analyses.faces import Cell, Face, Sketch, gallery
from analyses.leakage import KINDS, rewrite
from analyses.pictures import MADE
from analyses.study import ROOT
from analyses.zoo_table import Zoo, zoo_figure, zoo_table
from featviz.analysis.evaluation.checkpoints import EvaluationSettings, evaluate
from featviz.analysis.evaluation.images import Paints, painter
from featviz.analysis.evaluation.pairs import choose_pairs
from featviz.analysis.leakage import four_corners, measure_leakage
from featviz.analysis.leakage.edits import reader
from featviz.analysis.leakage.holding import WayHolding, WayRuns
from featviz.analysis.leakage.table import IMAGE
from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.files import atomic_write
from featviz.base.provenance import VERSION, VERSION_KEY, fingerprint
from featviz.base.table import ALL_GROUPS
from featviz.commands.shared import remark, say, use_threads
from featviz.faces.landmarks import find_landmarks
from featviz.faces.pairs import PairSet, read_pairs
from featviz.figures.style import save_figure, style
from featviz.generators.checkpoint import Checkpoint, open_checkpoint
from featviz.probing.held import record_map_statistics
from featviz.sketches.drawing import CANVAS, rasterize
from featviz.sketches.sketch_set import SketchSet, read_sketches
from featviz.sketches.tensors import decode_image
from featviz.training.folder import read_folder
from featviz.training.loop import train
from featviz.training.presets import TrainingConfig, preset
from featviz.training.saving import Schedule

TELLING = ("instance", "front=none", "batch", "pixel", "window-7")
"""Norms that are trained with three seeds; `front=none` is the study's variant no-norm."""
OTHERS = (
    *("demodulation", "group", "layer", "filter-response", "region", "instance-spade"),
    *("pixel-spade", "weight-standardization", "none"),
)
"""Norms that are trained once."""
SEEDS = 3
RECIPE: dict[str, Any] = {
    "size": 256,
    "width": 12,
    "discriminator_width": 16,
    "steps": 800,
    "precision": "float32",
}
KEEP_EVERY = 100
SHOWN_FACES = 3


@dataclass(frozen=True)
class Judging:
    """How much of a run is looked at: a half minute of one core.

    pairs: held-out faces, of which as many as early are looked at a quarter in. edits, held: edits
    a group, and those made again with statistics held. lpips_size: as in `EvaluationSettings`.
    """

    pairs: int = 32
    early: int = 16
    edits: int = 4
    held: int = 1
    lpips_size: int = 128


@dataclass(frozen=True)
class Options:
    """Train and judge a generator for each norm; write table, figure and the page's part."""

    runs: tuple[Path, ...] = (Path("runs/zoo"),)
    """Folders of run folders. What is not in any is trained into the first, as NORM-SEED."""
    data: Path = Path("data/faces")
    """Folder of the pairs to train with; see `featviz faces`."""
    held_out: Path | None = None
    """Folder of pairs whose test split judges; that of `data` unless given."""
    train: bool = True
    """Train what is not there; else judge what is."""
    sketches: Path = ROOT / "sketches"
    """Folder of the sketch set."""
    table: Path = ROOT / MADE / "zoo.json"
    """What was judged before, and is from now on; a .csv of the same name is written beside it."""
    figure: Path = ROOT / MADE / "zoo.png"
    """The picture; another one of faces is put beside it, as NAME-faces."""
    page: Path = ROOT / "docs" / "norms.md"
    """The page whose table is written anew."""
    threads: int = 1
    """CPU threads."""


@dataclass(frozen=True)
class ZooRun:
    """A finished run of the recipe."""

    norm: str
    seed: int
    folder: Path


def wanted() -> list[tuple[str, int]]:
    """Norm and seed of every run, the first seed of all norms first."""
    once = [(norm, 0) for norm in (*TELLING, *OTHERS)]
    return once + [(norm, seed) for seed in range(1, SEEDS) for norm in TELLING]


def config_of(norm: str, seed: int) -> TrainingConfig:
    """The settings of a run."""
    return preset("demo", norm=norm, seed=seed, **RECIPE)


def find_runs(folders: Sequence[Path], data: str) -> dict[tuple[str, int], ZooRun]:
    """The finished runs of the recipe in some folders, the first of each norm and seed.

    data: fingerprint of what they were trained with. Raises FeatvizError for a broken run.
    """
    found: dict[tuple[str, int], ZooRun] = {}
    for folder in (path.parent for top in folders for path in sorted(top.glob("*/config.json"))):
        told = read_folder(folder, resume=True)
        names = {"baseline": told["norm"], "no-norm": "front=none"}
        norm, seed = names.get(told["variant"]), told["seed"]
        if norm not in (*TELLING, *OTHERS) or (
            told["variant"] == "no-norm" and told["norm"] != "instance"
        ):
            continue
        same = config_of("instance", 0).to_json().items() <= (told | _SAME).items()
        if same and told["data"] == data and any(folder.glob(f"steps/*-{RECIPE['steps']:06d}.*")):
            found.setdefault((norm, seed), ZooRun(norm, seed, folder))
    return found


_SAME = {"norm": "instance", "variant": "baseline", "seed": 0}
"""The settings in which runs of the recipe differ."""


def judged(run: ZooRun, judging: Judging, pairs: PairSet, sketches: SketchSet) -> dict[str, Any]:
    """A row of the zoo's table."""
    checkpoint = open_checkpoint(run.folder)
    settings = EvaluationSettings(
        ("quality", "locality"), judging.pairs, edits=judging.edits, lpips_size=judging.lpips_size
    )
    table, _ = evaluate([run.folder], settings, pairs, sketches)
    (early,) = run.folder.glob(f"steps/*-{RECIPE['steps'] // 4:06d}.safetensors")
    settings = replace(settings, parts=("quality",), count=judging.early)
    sooner, _ = evaluate([early], settings, pairs)
    found = {
        name: table.estimate(part="locality", group=ALL_GROUPS, measure=measure).value
        for name, measure in (
            *((measure, measure) for measure in ("inside", "outside", "eyes")),
            ("ratio", "outside / inside"),
        )
    }
    followed, share_found = following(painter(checkpoint), choose_pairs(pairs, judging.pairs, 0)[0])
    ways, share = statistics_share(checkpoint, sketches, judging.held)
    return {
        "norm": run.norm,
        "seed": run.seed,
        "digest": checkpoint.digest,
        "ways": ways,
        **found,
        "share": share,
        "lpips": table.estimate(part="quality", measure="lpips").value,
        "early": sooner.estimate(part="quality", measure="lpips").value,
        "kernel": table.estimate(part="quality", measure="kernel distance").value,
        "followed": followed,
        "found": share_found,
    }


def following(paint: Paints, pairs: PairSet) -> tuple[float, float]:
    """Mean distance of landmarks to where their contour has them, and in how many faces of all.

    Pixels at 512, of the faces in which landmarks are found again; NaN if they are in none.
    """
    away = []
    for index in range(len(pairs)):
        face = decode_image(paint(pairs.contour(index, paint.size))[0])
        found = find_landmarks(face)
        if found is not None:
            off = found * (CANVAS / paint.size) - pairs.landmarks[index] * (CANVAS / pairs.size)
            away.append(np.hypot(*off.T).mean())
    return float(np.mean(away)) if away else np.nan, len(away) / len(pairs)


def statistics_share(checkpoint: Checkpoint, sketches: SketchSet, most: int) -> tuple[int, float]:
    """How often statistics of a whole map are taken, and their share of the change outside edits.

    Of any norm, by holding them operation by operation; 0 where none are taken.
    """
    network, size = checkpoint.generator.eval(), checkpoint.size
    ways = record_map_statistics(network, reader(network)(sketches, 0, size)).ways
    if not ways:
        return 0, 0.0
    holding = WayHolding(network, ways)
    # Nothing is told of the point; a corner is there at every size.
    how: dict[str, Any] = {"point": (0, 0), "size": size, "most": most, "runs": WayRuns}
    found = measure_leakage(network, sketches, (IMAGE,), holding=holding, **how)
    corners = four_corners(found.table)
    outside = corners[(corners["kind"] == ALL_GROUPS) & (corners["region"] == "outside")]
    return len(ways), float(outside["share"].iloc[0])


def judge_all(
    options: Options, judging: Judging, pairs: PairSet, sketches: SketchSet
) -> Iterator[Zoo]:
    """The table, again with each run that was judged; what is known of a generator is kept."""
    training = read_pairs(options.data)
    data = training.split("train").fingerprint()
    metadata = {
        VERSION_KEY: VERSION,
        "recipe": RECIPE,
        "data": data,
        "held_out": pairs.split("test").fingerprint(),
        "sketches": fingerprint(sketches),
        "judging": asdict(judging),
    }
    known = Zoo.read(options.table) if options.table.is_file() else None
    if known is not None and known.metadata != metadata:
        remark(f"{options.table} was judged otherwise; all runs are judged anew")
        known = None
    rows: list[dict[str, Any]] = []
    for norm, seed in wanted():
        # Found anew each time: others may train at the same time.
        if (run := find_runs(options.runs, data).get((norm, seed))) is None:
            if not options.train:
                continue
            run = ZooRun(norm, seed, options.runs[0] / f"{norm}-{seed}")
            again = (run.folder / "config.json").is_file()
            schedule = Schedule(keep_every=KEEP_EVERY)
            train(config_of(norm, seed), training, run.folder, resume=again, schedule=schedule)
        before = None if known is None else known.values(norm=norm, seed=seed)
        digest = open_checkpoint(run.folder).digest
        if before is not None and before["digest"].tolist() == [digest]:
            rows += before.to_dict("records")  # type: ignore[arg-type]
        else:
            rows.append(judged(run, judging, pairs, sketches))
            say(f"{norm}, seed {seed}: LPIPS {rows[-1]['lpips']:.3f}")
        yield Zoo(pd.DataFrame(rows), metadata)


def faces_figure(runs: Sequence[ZooRun], pairs: PairSet) -> Figure:
    """Held-out contours, their photos, and the faces that each run makes of the contours."""
    chosen, _ = choose_pairs(pairs, SHOWN_FACES, 0)
    size = int(RECIPE["size"])
    contours = [rasterize(chosen.contour(index, size)) for index in range(len(chosen))]
    columns: list[list[Cell]] = [
        [Sketch(contour) for contour in contours],
        [Face(chosen.photo(index, size)) for index in range(len(chosen))],
    ]
    for run in runs:
        paint = painter(open_checkpoint(run.folder))
        columns.append([Face(decode_image(paint(contour)[0])) for contour in contours])
    rows = {chosen.names[n].partition(".")[0]: [c[n] for c in columns] for n in range(len(chosen))}
    text = (
        f"Held-out contours, their photos, and what a generator of each norm makes of the contours "
        f"after {RECIPE['steps']} steps (seed 0)."
    )
    # The longest names would run into each other.
    titles = [run.norm.replace("weight-", "weight-\n") for run in runs]
    return gallery(rows, text, ["contour", "photo", *titles])


def main(arguments: list[str] | None = None) -> None:
    """Train, judge, write; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.zoo", args=arguments)
    with ending_in_one_line("analyses.zoo"):
        use_threads(options.threads)
        Zoo.check_ending(options.table)
        rewrite(options.page.read_text(encoding="utf-8"), "")
        sketches = read_sketches(options.sketches).of_groups(*KINDS)
        pairs = read_pairs(options.held_out or options.data)
        zoo = None
        for zoo in judge_all(options, Judging(), pairs, sketches):
            for path in (options.table, options.table.with_suffix(".csv")):
                zoo.write(path)
        if zoo is None:
            folders = ", ".join(map(str, options.runs))
            raise FeatvizError(f"{folders}: no finished run of this recipe and these data")
        there = find_runs(options.runs, zoo.metadata["data"])
        first = [run for (_, seed), run in there.items() if seed == 0]
        first.sort(key=lambda run: [*TELLING, *OTHERS].index(run.norm))
        of_faces = options.figure.with_stem(f"{options.figure.stem}-faces")
        with style():
            save_figure(zoo_figure(zoo), options.figure)
            save_figure(faces_figure(first, pairs), of_faces)
        with atomic_write(options.page) as temporary:
            page = rewrite(options.page.read_text(encoding="utf-8"), zoo_table(zoo, wanted()))
            temporary.write_text(page, encoding="utf-8")
        say(options.table, options.figure, of_faces, options.page)


if __name__ == "__main__":
    main()
