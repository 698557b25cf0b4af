"""One job a checkpoint: which table it is to make, and whether that is there already."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featviz.activations import find_layers, require_finite_weights
from featviz.appearances import FILE as APPEARANCES
from featviz.appearances import find_appearances
from featviz.assets import sha256_of
from featviz.checkpoints import (
    LoadedGenerator,
    checkpoint_name,
    find_checkpoint,
    load_generator,
    shipped_checkpoints,
)
from featviz.conditioning import ConditionedSketches
from featviz.encoding import Image
from featviz.errors import FeatvizError
from featviz.extraction.loading import place
from featviz.extraction.rasters import Rasters
from featviz.extraction.reading import extract
from featviz.extraction.settings import Settings, difference
from featviz.files import remove_unfinished
from featviz.inputs import LabelledImages
from featviz.sketches import SketchSet
from featviz.sparse import Layouts
from featviz.tables import FeatureTable, TableDescription, describe_features


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
    sources: Sequence[str | Path], out: Path, settings: Settings, fingerprint: str
) -> list[Job]:
    """One job a checkpoint, for tables `out`/NAME.parquet, NAME being the checkpoint's.

    Raises FeatvizError if there is no checkpoint or two have one name.
    """
    if not sources:
        names = ", ".join(shipped_checkpoints()) or "none"
        raise FeatvizError(f"no checkpoint given; the shipped ones are {names}")
    named: dict[str, Job] = {}
    for source in sources:
        file = find_checkpoint(source)
        name = checkpoint_name(file)
        path = out / f"{name}.parquet"
        if name in named:
            raise FeatvizError(
                f"checkpoints {named[name].source} and {source} are both called '{name}', "
                f"so both would be written to {path}; extract them one by one with different --out"
            )
        request = settings.request(sha256_of(file), fingerprint)
        if file.suffix in {".pth", ".pt"}:
            # Such a file does not tell its variant: the same one gives other vectors as another.
            request["variant"] = settings.variant or "baseline"
        if (appearances := file.parent / APPEARANCES).is_file():
            request["appearances"] = sha256_of(appearances)
        shipped = str(source) in shipped_checkpoints()
        named[name] = Job(source, source if shipped else file.absolute(), name, path, request)
    return list(named.values())


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
    other = difference(described.metadata, job.request, settings.skip_bad)
    if other is None:
        return described
    if overwrite:
        return None
    raise FeatvizError(f"{job.path} is there already and {other}; {advice}")


def load_for(job: Job, settings: Settings) -> LoadedGenerator:
    """Load a job's generator and put it where it is to run.

    Raises FeatvizError for layers it lacks, weights that are NaN and a device that is not there.
    """
    loaded = load_generator(job.file, settings.variant)
    find_layers(loaded.generator, settings.layers, settings.stage)
    require_finite_weights(loaded.generator, loaded.name)
    place(loaded.generator, settings.device, settings.precision)
    return loaded


def with_conditions(
    images: LabelledImages, loaded: LoadedGenerator, source: str | Path
) -> LabelledImages:
    """The images, with what the generator is given beside them if that is anything.

    Boundaries are made from the drawings; of each part's appearances it is the most common one.
    """
    if not loaded.conditions.any:
        return images
    sketches = images.sketches if isinstance(images, Rasters) else images
    if not isinstance(sketches, SketchSet):
        raise FeatvizError(f"'{loaded.name}' needs the named parts of SVG drawings; got images")
    pixels = [file for file in sketches.index["file"] if not file.lower().endswith(".svg")]
    if pixels:
        raise FeatvizError(
            f"'{loaded.name}' needs the named parts of SVG drawings beside the sketch; sketch "
            f"{pixels[0]} is made of pixels"
        )
    appearance = None
    if loaded.conditions.appearance_channels:
        appearance = find_appearances(source).most_common()
    return ConditionedSketches(sketches, loaded.conditions, appearance)


def provenance(loaded: LoadedGenerator) -> dict[str, Any]:
    """What a feature table records of the checkpoint it comes from."""
    return {
        "checkpoint": loaded.name,
        "digest": loaded.digest,
        "variant": loaded.metadata.get("variant"),
        "architecture": loaded.metadata.get("architecture"),
        "step": loaded.metadata.get("step"),
    }


def read_table(
    job: Job,
    settings: Settings,
    images: LabelledImages | Sequence[Image],
    loaded: LoadedGenerator,
    layouts: Layouts | None = None,
) -> FeatureTable:
    """The table of a job's checkpoint for some images, with all that its metadata has to say."""
    skipped = images.skipped if isinstance(images, Rasters) else ()
    details = {
        **provenance(loaded),
        "source": str(job.source),
        "sketches_fingerprint": job.request["sketches_fingerprint"],
        "device": job.request["device"],
        "precision": settings.precision,
        **{key: job.request[key] for key in ("appearances",) if key in job.request},
        "skipped": list(skipped),
    }
    return extract(
        loaded.generator,
        with_conditions(images, loaded, job.file) if isinstance(images, LabelledImages) else images,
        settings.points,
        settings.layers,
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
