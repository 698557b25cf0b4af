"""How long a sketch is searched in a large data base.

python -m benchmarks.retrieval [--faces 100000] [--sketches 20]

The faces are made up: shipped contours again and again, whose descriptors are moved by a fifth of
their standard deviation; there are no photos, and colours are random. Sketches are held-out
contours. Told is the time of the search for all parts of a sketch: descriptors, nearest neighbours,
chamfer distances, the way each part is laid over the sketch; not the fusion. Exact and approximate
neighbours are both measured, and how often they agree. Target: at most 50 ms on two cores with 10^5
faces.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from benchmarks.machine import describe_machine
from featviz.base.assets import PRETRAINED
from featviz.base.errors import require_whole
from featviz.faces.pairs import read_pairs
from featviz.retrieval.database import (
    DIMENSIONS,
    FORMAT,
    PLACES,
    Description,
    PhotoParts,
    descriptors_of,
    learn_bases,
)
from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.indices import approximate_index, exact_index, write_index
from featviz.retrieval.search import Searcher
from featviz.retrieval.shapes import SEARCHED_PARTS

TARGET = 0.05
JITTER = 0.2
_AT_ONCE = 1024


@dataclass(frozen=True)
class Retrieval:
    """Measure searches."""

    faces: int = 100_000
    """Faces of the data base."""
    sketches: int = 20
    """Sketches that are searched, after one that warms up."""


def made_up(count: int) -> PhotoParts:
    """A data base of so many faces, in memory."""
    pairs = read_pairs(PRETRAINED)
    train, random = pairs.split("train"), np.random.default_rng(0)
    known = (train.landmarks.astype(np.float64) + 0.5) * (512 / pairs.size) - 0.5
    bases = learn_bases(known, DIMENSIONS)
    chunks = np.array_split(known, -(-len(known) // _AT_ONCE))
    real = np.concatenate([descriptors_of(chunk, bases) for chunk in chunks], axis=1)
    like = random.integers(len(known), size=count)
    descriptors = real[:, like]
    deviations = JITTER * descriptors.std(axis=1, keepdims=True)
    descriptors += deviations * random.standard_normal(descriptors.shape, np.float32)
    colours = random.uniform(0, 255, (len(SEARCHED_PARTS), count, 3 * PLACES)).astype(np.float32)
    told = Description(FORMAT, "", "", "", count, pairs.size, DIMENSIONS)
    arrays = known[like].astype(np.float32), bases, descriptors, colours
    return PhotoParts(Path(), told, train, *arrays)


def main(settings: Retrieval) -> None:
    """Measure and print."""
    require_whole(settings, 2, "faces")
    require_whole(settings, 1, "sketches")
    print(describe_machine(("numpy", "scikit-learn", "faiss-cpu")))
    database, held_out = made_up(settings.faces), read_pairs(PRETRAINED).split("test")
    drawn = [parts_by_name(held_out.contour(n, 512)) for n in range(settings.sketches + 1)]
    found = {}
    with TemporaryDirectory() as folder:
        for kind in ("exact", "approximate"):
            searcher, begun = Searcher(database), time.perf_counter()
            for part, descriptors in zip(SEARCHED_PARTS, database.descriptors, strict=True):
                path = Path(folder) / f"{part}.faiss"
                if kind == "approximate":
                    write_index(descriptors, path)
                searcher.indices[part] = (
                    exact_index(descriptors)
                    if kind == "exact"
                    else approximate_index(path, settings.faces)
                )
            print(
                f"{kind}: indices of {settings.faces} faces in {time.perf_counter() - begun:.1f} s"
            )
            searcher.find_all(drawn[0])
            clock, processor, matches = [], [], []
            for parts in drawn[1:]:
                times = time.perf_counter(), time.process_time()
                matches.append(searcher.find_all(parts))
                clock.append(time.perf_counter() - times[0])
                processor.append(time.process_time() - times[1])
            found[kind] = [match.face for each in matches for match in each.values()]
            middle = statistics.median(clock)
            met = "met" if middle <= TARGET else "missed"
            print(
                f"  {1e3 * middle:.0f} ms a sketch (median; at most {1e3 * max(clock):.0f}; "
                f"{1e3 * statistics.median(processor):.0f} of the processor); "
                f"target <= {1e3 * TARGET:.0f}: {met}"
            )
    same = np.mean([one == other for one, other in zip(*found.values(), strict=True)])
    print(f"both take the same photo for {same:.1%} of the parts")


if __name__ == "__main__":
    main(tyro.cli(Retrieval, description=__doc__))
