"""What an extraction over many machines takes, from rates that were measured."""

from dataclasses import dataclass

_HOUR = 3600.0
_FLOAT = 4


@dataclass(frozen=True)
class Rates:
    """What one worker takes. seconds: a sketch at one checkpoint, rasterising included.
    load_seconds: to read a checkpoint. start_seconds: until workers are ready, once.
    """

    seconds: float
    load_seconds: float = 5.0
    start_seconds: float = 60.0


@dataclass(frozen=True)
class Cost:
    """What the whole takes. worker_hours: of all workers together. hours: on the wall.
    bytes: of vectors; line drawings' vectors hardly compress. price: in the unit of the rate.
    """

    worker_hours: float
    hours: float
    bytes: float
    price: float


def extraction_cost(
    sketches: int,
    checkpoints: int,
    workers: int,
    rates: Rates,
    numbers: int,
    price_per_worker_hour: float = 0.0,
) -> Cost:
    """The cost of sketches x checkpoints, each read by one of `workers`.

    numbers: of all layers' vectors of a sketch at all points, such as 1488 for L0 to L4 at 48
    filters and one point. Every worker is taken to load every checkpoint once, which is the most
    it ever does, and work to divide evenly, which holds while parts are many more than workers.
    """
    reading = sketches * checkpoints * rates.seconds
    loading = workers * checkpoints * rates.load_seconds
    starting = workers * rates.start_seconds
    worker_hours = (reading + loading + starting) / _HOUR
    return Cost(
        worker_hours=worker_hours,
        hours=worker_hours / workers,
        bytes=float(sketches) * checkpoints * numbers * _FLOAT,
        price=worker_hours * price_per_worker_hour,
    )
