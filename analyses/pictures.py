"""`python -m analyses.pictures`: made figures beside the tracked pictures of README and docs.

Figures are made as PNG and PDF in `figures/made`, which git does not track: another processor
rounds otherwise, and t-SNE then puts its points elsewhere. What the pages show are small WebP files
in `figures`, which change only when somebody means to.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from featviz.base.errors import FeatvizError, ending_in_one_line
from featviz.base.files import atomic_write

MADE, SHOWN = Path("figures/made"), Path("figures")
LARGEST = 300_000
"""Bytes that a tracked picture may take: a clone holds every version of it."""

_WIDEST = 1600
_SEEN = 400


def picture(made: Image.Image) -> bytes:
    """A made figure as a small WebP: without loss if that fits, else as good as fits."""
    image = made.convert("RGB")
    width = min(image.width, _WIDEST)
    while True:
        small = image.resize(
            (width, round(image.height * width / image.width)), Image.Resampling.LANCZOS
        )
        if len(found := _webp(small, lossless=True)) <= LARGEST:
            return found
        for quality in range(92, 50, -8):
            if len(found := _webp(small, quality=quality)) <= LARGEST:
                return found
        width = width * 4 // 5


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference in grey levels of 255, both seen at the same small size.

    0 for one and the same; pictures of another shape are as different as can be (255).
    """
    shapes = [image.height / image.width for image in (one, other)]
    if abs(shapes[0] / shapes[1] - 1) > 0.01:
        return 255.0
    size = (_SEEN, max(round(_SEEN * shapes[0]), 1))
    pixels = [
        np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), np.float64)
        for image in (one, other)
    ]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def compare(made: Path, shown: Path) -> list[str]:
    """A line for every made figure that has a tracked picture: how far it is from that."""
    lines = []
    for path in _made(made):
        tracked = shown / f"{path.stem}.webp"
        if tracked.is_file():
            with Image.open(path) as one, Image.open(tracked) as other:
                lines.append(f"{path.stem}: {difference(one, other):.1f}")
    return lines


def update(made: Path, shown: Path) -> list[Path]:
    """Write the pictures of all made figures anew."""
    written = []
    for path in _made(made):
        with Image.open(path) as image:
            content = picture(image)
        with atomic_write(shown / f"{path.stem}.webp") as temporary:
            temporary.write_bytes(content)
        written.append(shown / f"{path.stem}.webp")
    return written


def _made(folder: Path) -> list[Path]:
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise FeatvizError(f"{folder} holds no figures; `make report` makes them")
    return paths


def _webp(image: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", method=6, **options)
    return file.getvalue()


@dataclass(frozen=True)
class Options:
    """Compare made figures with the tracked pictures of README and docs, or renew those."""

    made: Path = MADE
    """Folder of the made figures."""
    shown: Path = SHOWN
    """Folder of the tracked pictures."""
    update: bool = False
    """Write the tracked pictures anew instead of comparing them."""


def main(arguments: list[str] | None = None) -> None:
    """Parse and run; exit 2 with one line on stderr if the input is at fault."""
    options = tyro.cli(Options, prog="python -m analyses.pictures", args=arguments)
    with ending_in_one_line("analyses.pictures"):
        if options.update:
            for path in update(options.made, options.shown):
                print(path)
        else:
            print("mean difference to the pictures of the pages, grey levels of 255:")
            print("\n".join(compare(options.made, options.shown)))


if __name__ == "__main__":
    main()
