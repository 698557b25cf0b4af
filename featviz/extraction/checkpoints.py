"""Checkpoints x sketches -> one feature table each, on disk.

Tables are made one after the other and each is complete on disk at once, so a call that is
stopped, killed or run beside another one never leaves less than whole tables, and the next call
makes those that are missing.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from featviz.base.feature_table import TableDescription, write_features
from featviz.base.progress import track
from featviz.base.provenance import fingerprint
from featviz.extraction.inputs import LabelledImages
from featviz.extraction.jobs import (
    Extracted,
    Job,
    check_job,
    clear_remains,
    finished,
    load_for,
    making_way,
    plan_jobs,
    read_table,
)
from featviz.extraction.locks import table_lock
from featviz.extraction.manifest import update_manifest
from featviz.extraction.parts import remove_parts
from featviz.extraction.rasters import read_rasters
from featviz.extraction.settings import Settings
from featviz.extraction.sparse import Layouts
from featviz.generators.checkpoint import Checkpoint
from featviz.sketches.sketch_set import SketchSet


def extract_checkpoints(
    sources: Sequence[str | Path],
    sketches: LabelledImages,
    out: Path,
    settings: Settings | None = None,
    overwrite: bool = False,
    names: Sequence[str] | None = None,
) -> Iterator[Extracted]:
    """Make the tables of checkpoints one after the other; yield each when it is on disk.

    The table is `out`/NAME.parquet, NAME being the checkpoint's, see `distinct_names`, and
    `out`/manifest.json lists what came from what. Files of sketches are read, and the windows of
    their maps told apart, once for all checkpoints. A generator with conditions beside the sketch
    is given them, see `with_conditions`.

    A table that is there and has been made from the same file, sketches and settings is kept. One
    that was made otherwise is an error, or replaced if `overwrite`. Several calls may share the
    work: each table is made by one of them, and who finds only tables that others are making
    waits for them.

    Everything that can be told beforehand is told before the first file is written: checkpoints
    that cannot be read, layers they lack, names that would share a file, sketches that cannot be
    read.
    """
    settings = settings or Settings()
    jobs = plan_jobs(sources, out, settings, fingerprint(sketches), names)
    there = {job.name: finished(job, settings, overwrite) for job in jobs}
    missing = [job for job in jobs if there[job.name] is None]
    checkpoint, has_conditions = None, False
    for job in track(missing, "checkpoints, checked", is_passing=True):
        checkpoint = check_job(job, settings, sketches)
        has_conditions = has_conditions or checkpoint.conditions.any
    # A single one, as most calls have, is not loaded twice; of many, none is held.
    at_hand = checkpoint if len(missing) == 1 else None
    checkpoint = None
    images: LabelledImages = sketches
    if missing and isinstance(sketches, SketchSet):
        images = read_rasters(sketches, settings.skip_bad, with_instances=has_conditions)

    # A single checkpoint asks for nothing twice.
    layouts = Layouts() if len(missing) > 1 else None
    busy: list[Job] = []
    for job in jobs:
        if (described := there[job.name]) is not None:
            yield kept(job, described)
            continue
        result = _make(job, images, settings, overwrite, layouts, wait=False, checkpoint=at_hand)
        if result is None:
            busy.append(job)
        else:
            yield result
    for job in busy:
        result = _make(job, images, settings, overwrite, layouts, wait=True)
        assert result is not None
        yield result
    if not missing:
        update_manifest(out)


def kept(job: Job, described: TableDescription) -> Extracted:
    """The result of a job whose table was there."""
    skipped = tuple(described.metadata.get("skipped") or ())
    return Extracted(job.path, True, described.rows, described.layers, skipped)


def _make(
    job: Job,
    images: LabelledImages,
    settings: Settings,
    overwrite: bool,
    layouts: Layouts | None,
    wait: bool,
    checkpoint: Checkpoint | None = None,
) -> Extracted | None:
    """Make one table under its lock; None if another call holds it and we do not wait."""
    with table_lock(job.path, wait) as held:
        if not held:
            return None
        clear_remains(job.path)
        # Another call may have made it since we looked.
        if (described := finished(job, settings, overwrite)) is not None:
            return kept(job, described)
        start = time.perf_counter()
        checkpoint = checkpoint or load_for(job, settings)
        table = read_table(job, settings, images, checkpoint, layouts)
        with making_way(job.path):
            write_features(table, job.path)
        remove_parts(job)
        seconds = time.perf_counter() - start
    update_manifest(job.path.parent, job.name, seconds)
    skipped = tuple(table.metadata["skipped"])
    return Extracted(job.path, False, len(table), table.layers, skipped, seconds)
