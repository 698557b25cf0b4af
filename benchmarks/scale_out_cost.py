"""What an extraction over many machines would take, computed from a measured rate.

python -m benchmarks.scale_out_cost --seconds 0.03 [--sketches 10000000] [--checkpoints 100]

Measure the rate with `python -m benchmarks.extraction` on one of the machines, with as many
threads as a worker is to have (OMP_NUM_THREADS=1 for `featviz extract --ray`).
"""

from dataclasses import dataclass

import tyro

from featviz.extraction.cost import Rates, extraction_cost

_TERA = 1e12


@dataclass(frozen=True)
class Settings:
    """Compute, from rates, what an extraction takes."""

    seconds: float
    """Seconds that one worker takes for a sketch at one checkpoint, rasterising included."""
    sketches: int = 10_000_000
    """Sketches of the set."""
    checkpoints: int = 100
    """Checkpoints that each of them is read at."""
    workers: tuple[int, ...] = (64, 512, 4096)
    """Workers of the cluster; one a processor."""
    numbers: int = 48 + 96 + 192 + 384 + 768
    """Numbers a sketch: the channels of all layers, times the points."""
    load_seconds: float = 5.0
    """Seconds to read a checkpoint."""
    start_seconds: float = 60.0
    """Seconds until the workers are ready."""
    price: float = 0.0
    """What a worker costs an hour, in any currency."""


def main(settings: Settings) -> None:
    """Print the table."""
    rates = Rates(settings.seconds, settings.load_seconds, settings.start_seconds)
    print(
        f"{settings.sketches:,} sketches x {settings.checkpoints:,} checkpoints at "
        f"{settings.seconds:g} s each"
    )
    print(f"{'workers':>8} {'hours':>10} {'worker-hours':>14} {'price':>10}")
    for workers in settings.workers:
        cost = extraction_cost(
            settings.sketches,
            settings.checkpoints,
            workers,
            rates,
            settings.numbers,
            settings.price,
        )
        price = f"{cost.price:,.0f}" if settings.price else "-"
        print(f"{workers:>8,} {cost.hours:>10,.1f} {cost.worker_hours:>14,.0f} {price:>10}")
    print(f"vectors    {cost.bytes / _TERA:.2f} TB of float32")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
