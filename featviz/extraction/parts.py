"""A table as a folder of parts, each of which is made by itself, in any order, anywhere.

Parts gather in a hidden folder beside the table's path, which takes that path when all are there.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from featviz.base.errors import FeatvizError
from featviz.base.feature_table import FeatureTable, TablePart, describe_features, write_features
from featviz.extraction.jobs import Job, making_way, read_table
from featviz.extraction.rasters import read_rasters
from featviz.extraction.settings import Settings, first_difference
from featviz.generators.checkpoint import Checkpoint
from featviz.sketches.drawing import Drawing
from featviz.sketches.sketch_set import SketchSet


@dataclass(frozen=True)
class Division:
    """How `total` sketches are divided into parts of `size`, the last one smaller."""

    total: int
    size: int

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def rows(self, number: int) -> tuple[int, int]:
        """The first row of the index that is in a part, and the first that is not any more."""
        return number * self.size, min((number + 1) * self.size, self.total)


@dataclass(frozen=True)
class Work:
    """All that who makes parts has to know. folder, size: of the set of sketches."""

    jobs: tuple[Job, ...]
    settings: Settings
    division: Division
    folder: Path
    size: int


def parts_folder(job: Job, division: Division) -> Path:
    """Where the parts of a job's table gather; another place for any other request."""
    text = json.dumps([job.request, division.total, division.size], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return job.path.with_name(f".{job.path.name}.{digest}.parts")


def missing_parts(job: Job, settings: Settings, division: Division) -> list[int]:
    """The parts that are still to be made."""
    return [
        number
        for number in range(len(division))
        if not part_is_made(job, settings, division, number)
    ]


def part_is_made(job: Job, settings: Settings, division: Division, number: int) -> bool:
    """Whether a part is on disk and is the one asked for."""
    part = TablePart(number, len(division))
    try:
        there = describe_features(parts_folder(job, division) / part.file)
    except FeatvizError:
        return False
    start, stop = division.rows(number)
    sketches = stop - start - len(there.metadata.get("skipped") or ())
    return (
        there.part == part
        and there.rows == sketches * len(settings.points)
        and first_difference(there.metadata, job.request, settings.skip_bad) is None
    )


def make_part(
    job: Job,
    settings: Settings,
    division: Division,
    number: int,
    sketches: SketchSet,
    checkpoint: Checkpoint,
) -> None:
    """Make a part of a job's table on disk from the sketches that belong to it.

    Raises FeatvizError as `extract_checkpoints` does.
    """
    rasters = read_rasters(
        sketches,
        settings.skip_bad,
        may_be_empty=True,
        with_instances=checkpoint.conditions.any,
    )
    if len(rasters):
        table = read_table(job, settings, rasters, checkpoint)
    else:
        # A part without rows still says what it skipped, in columns like those of the others.
        blank = [checkpoint.input(Drawing((), sketches.size))]
        table = _without_rows(read_table(job, settings, blank, checkpoint), sketches)
    metadata = {**table.metadata, "skipped": list(rasters.skipped)}
    part = TablePart(number, len(division))
    write_features(
        FeatureTable(table.rows, table.vectors, metadata),
        parts_folder(job, division) / part.file,
        part,
    )


def finish(job: Job, division: Division) -> None:
    """Give the complete folder of parts the table's path; raises FeatvizError if it is not."""
    folder = parts_folder(job, division)
    for temporary in folder.glob(".*.tmp.parquet"):
        temporary.unlink(missing_ok=True)
    describe_features(folder)
    with making_way(job.path, for_folder=True):
        folder.replace(job.path)
    remove_parts(job)


def remove_parts(job: Job, keep: Path | None = None) -> None:
    """Remove parts that were gathered for this table but for another request."""
    for folder in _other_parts(job, keep):
        shutil.rmtree(folder)


def _other_parts(job: Job, keep: Path | None) -> Iterator[Path]:
    """The folders of parts beside a table, other than one."""
    for folder in job.path.parent.glob(f".{job.path.name}.????????????.parts"):
        if folder != keep:
            yield folder


def _without_rows(table: FeatureTable, sketches: SketchSet) -> FeatureTable:
    metadata = {**table.metadata, "sketches": sketches.folder.name}
    vectors = {layer: values[:0] for layer, values in table.vectors.items()}
    return FeatureTable(table.rows.iloc[:0], vectors, metadata)
