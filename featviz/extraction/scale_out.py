"""The same extraction on a Ray cluster: parts of tables, made by workers wherever they are.

The parts of all checkpoints are the rows of one Ray Data set and a pool of actors maps over it.
Each part is a file on storage that all machines see, complete or not there, so Ray may run it
again as often as workers die, and a call that was stopped goes on with the missing ones.
"""

import json
import logging
import os
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from featviz.base.errors import FeatvizError, FeatvizWarning, needing, one_line
from featviz.base.feature_table import describe_features
from featviz.base.progress import hidden_progress, progress_bar, track
from featviz.base.provenance import fingerprint
from featviz.extraction.checkpoints import kept
from featviz.extraction.jobs import (
    Extracted,
    Job,
    clear_remains,
    finished,
    load_for,
    plan_jobs,
    read_table,
)
from featviz.extraction.locks import table_lock
from featviz.extraction.manifest import update_manifest
from featviz.extraction.parts import (
    Division,
    Work,
    finish,
    missing_parts,
    parts_folder,
    remove_parts,
)
from featviz.extraction.rasters import read_rasters
from featviz.extraction.settings import Settings
from featviz.sketches.sketch_set import SketchSet

PART_ROWS = 256
"""Sketches a part: a few seconds of work, and a file of about 2 MB at 48 filters."""

_LOOKED_AT = 64
_BLOCKS = 4096
_OBJECT_STORE = 200_000_000
_LONG = 1000


def extract_on_ray(
    sources: Sequence[str | Path],
    sketches: SketchSet,
    out: Path,
    settings: Settings | None = None,
    overwrite: bool = False,
    names: Sequence[str] | None = None,
    *,
    address: str | None = None,
    workers: int | None = None,
    part: int = PART_ROWS,
) -> Iterator[Extracted]:
    """As `extract_checkpoints`, with the work divided among the workers of a Ray cluster.

    A table is a folder `out`/NAME.parquet of files of `part` sketches. Sketches, checkpoints and
    `out` lie where every machine sees them under the same path.
    address: of a running cluster ("auto", host:port); if not given, this machine is one as long
    as it takes. workers: as many as the cluster has processors (or GPUs) if not given.

    Raises FeatvizError also if Ray is not installed or no cluster answers.
    """
    settings = settings or Settings()
    for name, number in (("workers", workers), ("sketches a part", part)):
        if number is not None and number < 1:
            raise FeatvizError(f"the number of {name} must be at least 1; got {number}")
    out = out.absolute()
    sketches = replace(sketches, folder=sketches.folder.absolute())
    jobs = plan_jobs(sources, out, settings, fingerprint(sketches), names)
    missing: list[Job] = []
    for job in jobs:
        if (described := finished(job, settings, overwrite)) is None:
            missing.append(job)
        else:
            yield kept(job, described)
    if not missing:
        update_manifest(out)
        return
    sample = _readable_few(sketches, settings)
    chosen = [
        _with_engine(job, settings, sample)
        for job in track(missing, "checkpoints, checked", is_passing=True)
    ]
    with ExitStack() as stack:
        # In the order of their names, so that two calls never wait for each other.
        for job, _ in sorted(chosen, key=lambda pair: pair[0].path):
            stack.enter_context(table_lock(job.path))
        for engine in dict.fromkeys(engine for _, engine in chosen):
            of_engine = [job for job, its in chosen if its == engine]
            yield from _run(
                of_engine,
                sketches,
                replace(settings, engine=engine),
                overwrite,
                Division(len(sketches), part),
                (address, workers),
            )


def _readable_few(sketches: SketchSet, settings: Settings) -> SketchSet:
    """The first sketch that can be read, which shows that the checkpoints can read it."""
    with hidden_progress():
        for start in range(0, len(sketches), _LOOKED_AT):
            few = replace(sketches, index=sketches.index.iloc[start : start + _LOOKED_AT])
            readable = read_rasters(few, settings.skip_bad, may_be_empty=True).sketches
            if len(readable):
                return replace(readable, index=readable.index.iloc[:1])
        # None: the error says so.
        return read_rasters(sketches, settings.skip_bad).sketches


def _with_engine(job: Job, settings: Settings, sample: SketchSet) -> tuple[Job, Any]:
    """The job with its engine decided, so that all its parts are of the same one."""
    with hidden_progress():
        table = read_table(job, settings, sample, load_for(job, settings))
    engine = table.metadata["engine"]
    return replace(job, request={**job.request, "engine": engine}), engine


def _run(
    jobs: Sequence[Job],
    sketches: SketchSet,
    settings: Settings,
    overwrite: bool,
    division: Division,
    cluster: tuple[str | None, int | None],
) -> Iterator[Extracted]:
    """Make the tables of jobs whose locks are held."""
    left: dict[int, set[int]] = {}
    for number, job in enumerate(jobs):
        clear_remains(job.path)
        # Another call may have made it while we waited for its lock.
        if (described := finished(job, settings, overwrite)) is not None:
            yield kept(job, described)
            continue
        remove_parts(job, keep=parts_folder(job, division))
        left[number] = set(missing_parts(job, settings, division))
    seconds: Counter[int] = Counter()
    for number in [number for number, parts in left.items() if not parts]:
        yield _finish(jobs[number], division, None)
    items = [{"job": job, "part": part} for job, parts in left.items() for part in sorted(parts)]
    if not items:
        return
    on_gpu = settings.device.partition(":")[0] == "cuda"
    with _cluster(*cluster, on_gpu) as workers, progress_bar() as progress:
        task = None
        if progress is not None:
            total = len(division) * len(left)
            what = f"parts of {division.size} sketches, {workers} workers"
            task = progress.add_task(what, total=total, completed=total - len(items))
        work = Work(tuple(jobs), settings, division, sketches.folder, sketches.size)
        for row in _map(items, work, sketches.index, workers, on_gpu):
            for what, remark in json.loads(row["remarks"]):
                warnings.warn(FeatvizWarning(what, remark), stacklevel=2)
            if row["problem"]:
                raise (OSError if row["kind"] == "OSError" else FeatvizError)(row["problem"])
            number = row["job"]
            seconds[number] += row["seconds"]
            left[number].discard(row["part"])
            if progress is not None and task is not None:
                progress.advance(task)
            if not left[number]:
                yield _finish(jobs[number], division, seconds[number])


def _finish(job: Job, division: Division, seconds: float | None) -> Extracted:
    finish(job, division)
    update_manifest(job.path.parent, job.name, seconds)
    described = describe_features(job.path)
    return replace(kept(job, described), kept=False, seconds=seconds)


def _map(
    items: Sequence[dict[str, int]], work: Work, index: pd.DataFrame, workers: int, on_gpu: bool
) -> Iterator[dict[str, Any]]:
    """The results of the workers, in the order in which they come."""
    import ray
    import ray.data

    from featviz.extraction.ray_worker import PartMaker

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    shared = ray.put(pa.Table.from_pandas(index, preserve_index=False))
    # The parts of a checkpoint follow each other, so that a worker seldom loads another one.
    dataset = ray.data.from_items(list(items), override_num_blocks=min(len(items), _BLOCKS))
    mapped = dataset.map_batches(
        PartMaker,
        # In a list, or Ray would hand over the table in place of the reference.
        fn_constructor_args=(work, [shared]),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(items))),
        num_cpus=1,
        num_gpus=1 if on_gpu else None,
    )
    # A worker that dies is replaced and what it was doing is done again, by Ray's own defaults.
    try:
        yield from mapped.iter_rows()
    except ray.exceptions.RayError as error:
        raise FeatvizError(f"the Ray cluster failed: {one_line(error, _LONG)}") from error


@contextmanager
def _cluster(address: str | None, workers: int | None, on_gpu: bool = False) -> Iterator[int]:
    """Connect to a cluster, or make this machine one; yield how many workers it can have."""
    # Nothing about the run is to be sent anywhere.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray's own lines would run through the progress bar; what fails is raised.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with needing("--ray", "ray"):
        import ray
        import ray.data
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if ray.is_initialized():
        yield workers or _places(ray, on_gpu)
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as stack:
        if address is None:
            # Sockets lie in this folder, whose path has to be short.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fv-", dir="/tmp"))
            quiet |= {
                "include_dashboard": False,
                "_temp_dir": folder,
                "num_cpus": workers or os.cpu_count(),
                "object_store_memory": _OBJECT_STORE,
            }
        else:
            quiet["address"] = address
        try:
            with _without_stderr():
                ray.init(**quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = "on this machine" if address is None else f"at {address}"
            raise FeatvizError(f"no Ray cluster {where}: {one_line(error)}") from None
        stack.callback(ray.shutdown)
        yield workers or _places(ray, on_gpu)


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what C++ code writes to stderr: Ray tells there that it was told to be quiet."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _places(ray: Any, on_gpu: bool) -> int:
    """How many workers the cluster has room for."""
    return max(1, int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 1)))
