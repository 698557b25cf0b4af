"""The memory that `featviz extract --layers all` takes for few and for many photos of a U-Net.

python -m benchmarks.many_images [--counts 20 100 200] [--size 256]

Each count is a process of its own, from photos to the table; of each the peak of its resident
memory as the system tells it. Target: that of the most photos at most a tenth above that of the
fewest, beyond which the vectors alone would go.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro
from PIL import Image
from torch import Tensor, nn

from benchmarks.machine import describe_machine

TARGET = 1.1
"""The peak of the most photos over that of the fewest."""

_SIDE = 8
"""Points in a row and in a column."""


@dataclass(frozen=True)
class ManyImages:
    """Extract all layers of a U-Net from few photos and from many, each in a process of its own."""

    counts: tuple[int, ...] = (20, 100, 200)
    """Photos."""
    size: int = 256
    """Their width and height in pixels."""
    keep: Path | None = None
    """A folder for the tables; they are thrown away if not given."""


class UNet(nn.Module):
    """Four levels of two convolutions, group norms and SiLU each, of 32 to 256 channels."""

    def __init__(self, width: int = 32, levels: int = 4) -> None:
        super().__init__()
        widths = [width << level for level in range(levels)]
        inputs = [3, *widths[:-1]]
        self.down = nn.ModuleList(map(_level, inputs, widths))
        self.up = nn.ModuleList(
            _level(deep + wide, wide) for deep, wide in zip(widths[1:], widths[:-1], strict=True)
        )
        self.halve, self.widen = nn.AvgPool2d(2), nn.Upsample(scale_factor=2)
        self.output = nn.Conv2d(width, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> the same; H and W multiples of 8."""
        maps, found = image, list[Tensor]()
        for level in self.down:
            maps = level(self.halve(maps) if found else maps)
            found.append(maps)
        for level, beside in zip(reversed(self.up), reversed(found[:-1]), strict=True):
            maps = level(torch.cat([self.widen(maps), beside], dim=1))
        result: Tensor = self.output(maps)
        return result


def _level(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.SiLU()]
    return nn.Sequential(*layers)


def main(settings: ManyImages) -> None:
    print(describe_machine(("torch",)))
    peaks = []
    with TemporaryDirectory() as folder:
        for count in sorted(settings.counts):
            photos = Path(folder) / f"{count}"
            write_photos(photos, count, settings.size)
            out = (settings.keep or Path(folder)) / f"table-{count}"
            peaks.append(peak_of(photos, out, settings.size))
            table = sum(path.stat().st_size for path in out.glob("*.parquet")) / 1e9
            print(f"{count:5} photos: peak {peaks[-1]:.2f} GB, table {table:.2f} GB", flush=True)
    ratio = peaks[-1] / peaks[0]
    print(
        f"the most over the fewest: {ratio:.2f}; target at most {TARGET}: "
        f"{'met' if ratio <= TARGET else 'missed'}"
    )


def write_photos(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        coarse = random.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(coarse).resize((size, size)).save(folder / f"{number:03}.jpg")


def peak_of(photos: Path, out: Path, size: int) -> float:
    """GB of resident memory of one call at its worst moment."""
    places = [size * number // _SIDE for number in range(_SIDE)]
    points = [each for x in places for y in places for each in ("--point", str(x), str(y))]
    command = [sys.executable, "-m", "featviz", "extract", "benchmarks.many_images:UNet"]
    command += ["--random-weights", "0", "--images", str(photos), "--layers", "all", *points]
    return _peak([*command, "--out", str(out)])


def _peak(command: Sequence[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"benchmarks.many_images: featviz extract ended with {status}")
    return used.ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main(tyro.cli(ManyImages, description=__doc__))
