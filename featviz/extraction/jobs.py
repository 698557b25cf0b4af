"""One job a checkpoint: which table it is to make, and whether that is there already."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featviz.base.assets import sha256_of
from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, TableDescription, describe_features
from featviz.base.files import remove_unfinished, require_folder
from featviz.extraction.conditions import require_drawings, with_conditions
from featviz.extraction.inputs import LabelledImages
from featviz.extraction.loading import place
from featviz.extraction.rasters import Rasters
from featviz.extraction.settings import Settings, first_difference
from featviz.extraction.sparse import Layouts
from featviz.extraction.vectors import FRONT_END_LAYERS, extract
from featviz.generators.appearances import FILE as APPEARANCES
from featviz.generators.checkpoint import Checkpoint, distinct_names, open_checkpoint
from featviz.generators.checkpoint_files import (
    find_checkpoint,
    shipped_checkpoints,
    stated_architecture,
)
from featviz.probing.layers import patterns_of
from featviz.sketches.tensors import Image


@dataclass(frozen=True)
class Job:
    """A checkpoint and the table to make of it.

    source: as it was given. file: its name if it is a shipped one, which lies elsewhere on each
    machine, otherwise its absolute path. path: the table's, a file or a folder. request: see
    `Settings.request`.
    """

    source: str | Path
    file: str | Path
    name: str
    path: Path
    request: dict[str, Any]


@dataclass(frozen=True)
class Extracted:
    """A finished table on disk. kept: it was there before. seconds: what it took, if known."""

    path: Path
    kept: bool
    rows: int
    layers: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float | None = None


def plan_jobs(
    sources: Sequence[str | Path],
    out: Path,
    settings: Settings,
    fingerprint: str,
    names: Sequence[str] | None = None,
) -> list[Job]:
    """One job a checkpoint, for tables `out`/NAME.parquet; see `distinct_names`.

    Raises FeatvizError if `out` is a file.
    """
    jobs = []
    require_folder(out)
    for source, name in zip(sources, distinct_names(sources, names), strict=True):
        file = find_checkpoint(source)
        request = settings.request(sha256_of(file), fingerprint)
        if settings.layers == FRONT_END_LAYERS and (layers := _layers_of_others(file)):
            request["layers"] = list(layers)
        if file.suffix in {".pth", ".pt"}:
            # Such a file does not tell its variant: the same one gives other vectors as another.
            request["variant"] = settings.variant or "baseline"
        if (appearances := file.parent / APPEARANCES).is_file():
            request["appearances"] = sha256_of(appearances)
        shipped = str(source) in shipped_checkpoints()
        place = source if shipped else file.absolute()
        jobs.append(Job(source, place, name, out / f"{name}.parquet", request))
    return jobs


def _layers_of_others(file: Path) -> tuple[str, ...]:
    """What is read, if nothing is named, of a generator without L0 to L4; () of others."""
    if file.suffix != ".safetensors":
        return ()
    layers = stated_architecture(file).layers
    return () if set(FRONT_END_LAYERS) <= set(layers) else layers


def finished(job: Job, settings: Settings, overwrite: bool) -> TableDescription | None:
    """What the job's table says of itself if it is the one asked for; None if it is to be made.

    Raises FeatvizError if another table, or what is no table, has its place, unless it may be
    overwritten.
    """
    if not job.path.exists():
        return None
    advice = "--overwrite replaces it, another --out leaves it alone"
    try:
        described = describe_features(job.path)
    except FeatvizError as error:
        if overwrite:
            return None
        raise FeatvizError(f"{error}; {advice}") from None
    other = first_difference(described.metadata, job.request, settings.skip_bad)
    if other is None:
        return described
    if overwrite:
        return None
    raise FeatvizError(f"{job.path} is there already and {other}; {advice}")


def load_for(job: Job, settings: Settings) -> Checkpoint:
    """Load a job's checkpoint and put it where it is to run.

    Raises FeatvizError for layers it lacks and a device that is not there.
    """
    checkpoint = open_checkpoint(job.file, settings.variant, job.name)
    patterns_of(checkpoint.generator, job.request["layers"], settings.stage)
    place(checkpoint.generator, settings.device, settings.precision)
    return checkpoint


def check_job(job: Job, settings: Settings, images: LabelledImages) -> Checkpoint:
    """Load a job's checkpoint; raises FeatvizError also for images that it cannot be given."""
    checkpoint = load_for(job, settings)
    require_drawings(images, checkpoint)
    return checkpoint


def read_table(
    job: Job,
    settings: Settings,
    images: LabelledImages | Sequence[Image],
    checkpoint: Checkpoint,
    layouts: Layouts | None = None,
) -> FeatureTable:
    """The table of a job's checkpoint for some images, with all that its metadata has to say."""
    skipped = images.skipped if isinstance(images, Rasters) else ()
    details = {
        **checkpoint.provenance(),
        "checkpoint": job.name,
        "source": str(job.source),
        "sketches_fingerprint": job.request["sketches_fingerprint"],
        "device": job.request["device"],
        "precision": settings.precision,
        **{key: job.request[key] for key in ("appearances",) if key in job.request},
        "skipped": list(skipped),
    }
    return extract(
        checkpoint.generator,
        with_conditions(images, checkpoint) if isinstance(images, LabelledImages) else images,
        settings.points,
        job.request["layers"],
        settings.stage,
        engine=settings.engine,
        provenance=details,
        layouts=layouts,
    )


def clear_remains(path: Path) -> None:
    """Remove what writers of this table that were killed have left; call it under the lock."""
    remove_unfinished(path)
    if (aside := _aside(path)).exists():
        if path.exists():
            _remove(aside)
        else:
            aside.replace(path)


@contextmanager
def making_way(path: Path, for_folder: bool = False) -> Iterator[None]:
    """Put a table aside that the block's file, or folder, cannot replace; put it back on errors."""
    aside = _aside(path)
    if not (path.is_dir() or (for_folder and path.exists())):
        yield
        return
    path.replace(aside)
    try:
        yield
    except BaseException:
        aside.replace(path)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
