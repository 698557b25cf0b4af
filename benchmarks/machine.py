"""What a measurement has to say of the machine it ran on, and medians of repeated runs."""

import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path


def describe_machine(packages: tuple[str, ...] = ()) -> str:
    """Processor, cores, load, system and versions, one line each."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = ", ".join(f"{name} {version(name)}" for name in ("featviz", *packages))
    return (
        f"machine    {_processor()}, {os.cpu_count()} cores, load before the run {load}\n"
        f"system     {platform.platform()}, Python {platform.python_version()}\n"
        f"versions   {versions}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def children_time() -> float:
    """Seconds of the processor's time, user's and system's, of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory() -> float:
    """GB of resident memory at the worst moment of this process so far."""
    try:
        # Not getrusage, where it can be helped: that of a process begins with what its parent had.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024 / 1e9
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def summary(times: list[float], unit: str = "s") -> str:
    """Median and range of repeated runs."""
    return (
        f"median {statistics.median(times):.3f} {unit} "
        f"({min(times):.3f} to {max(times):.3f}, {len(times)} runs)"
    )
