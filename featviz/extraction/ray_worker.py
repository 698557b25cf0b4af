"""What one worker of a Ray cluster does: parts of tables, one after the other."""

import json
import os
import time
import warnings
from typing import Any

import ray
import torch

from featviz.base.errors import FeatvizError, FeatvizWarning
from featviz.extraction.jobs import load_for
from featviz.extraction.parts import Work, make_part, part_is_made
from featviz.generators.checkpoint import Checkpoint
from featviz.sketches.sketch_set import SketchSet


class PartMaker:
    """A stateful worker: it holds one checkpoint until a part of another one is asked for."""

    def __init__(self, work: Work, index: list[Any]) -> None:
        """index: a Ray reference to the set's index as Arrow table, alone in a list."""
        # A worker has one processor.
        torch.set_num_threads(1)
        self._work = work
        # Not copied: the workers of a machine look at the same memory.
        self._index = ray.get(index[0])
        self._loaded: tuple[int, Checkpoint] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Make the parts that the rows name. What is wrong or odd about the input comes back.

        A part that is there is not made again: it may be that this worker's predecessor was
        killed after it was done and before anybody heard of it.
        """
        problems, kinds, remarks, took = [], [], [], []
        for job, number in zip(batch["job"], batch["part"], strict=True):
            start = time.perf_counter()
            problem = kind = ""
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", FeatvizWarning)
                try:
                    self._make(int(job), int(number))
                except (FeatvizError, OSError) as error:
                    problem, kind = str(error), type(error).__name__
            problems.append(problem)
            kinds.append(kind)
            odd = [w.message for w in caught if isinstance(w.message, FeatvizWarning)]
            # As text: a column of lists, all of them empty, has no type.
            remarks.append(json.dumps([(warning.what, warning.remark) for warning in odd]))
            took.append(time.perf_counter() - start)
        return {
            "job": [int(job) for job in batch["job"]],
            "part": [int(number) for number in batch["part"]],
            "problem": problems,
            "kind": kinds,
            "remarks": remarks,
            "seconds": took,
            "process": [os.getpid()] * len(took),
        }

    def _make(self, index: int, number: int) -> None:
        work = self._work
        job = work.jobs[index]
        if part_is_made(job, work.settings, work.division, number):
            return
        start, stop = work.division.rows(number)
        rows = self._index.slice(start, stop - start).to_pandas()
        sketches = SketchSet(work.folder, rows, work.size)
        checkpoint = self._checkpoint(index)
        make_part(job, work.settings, work.division, number, sketches, checkpoint)

    def _checkpoint(self, index: int) -> Checkpoint:
        if self._loaded is None or self._loaded[0] != index:
            self._loaded = None
            job = self._work.jobs[index]
            checkpoint = load_for(job, self._work.settings)
            if checkpoint.digest != job.request["digest"]:
                raise FeatvizError(
                    f"{job.file} is not the file that it was when the work was divided; "
                    "start again when nobody writes it"
                )
            self._loaded = (index, checkpoint)
        return self._loaded[1]
