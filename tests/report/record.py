"""Make the README's picture of the report with the test browser.

    featviz report features/paper-modified.parquet features/paper-baseline.parquet
    python -m tests.report.record report.html     # writes figures/made/report.png

In the first panel the point that G8 and G11 share is clicked, so that both are selected in every
panel; then the pointer rests on one of them in the third, where they have come apart. Its faces
show below.
"""

import argparse
import io
from pathlib import Path

from PIL import Image

from analyses.pictures import MADE
from featviz.base.files import atomic_write
from tests.report.browser import Reader, open_report
from tests.studio.browser import running_browser

ROOT = Path(__file__).parent.parent.parent
VIEWPORT = {"width": 1400, "height": 1180}
SCALE = 1.2
SELECTED, SHOWN = "G8/001", "G8/012"


def record(reader: Reader) -> Image.Image:
    """Do it, and look."""
    page = reader.page
    reader.draw_all()
    page.mouse.click(*reader.screen(0, 0, reader.number(SELECTED)))
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(*reader.screen(0, 2, reader.number(SHOWN)), steps=4)
    page.wait_for_timeout(500)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("report", type=Path, help="a page that `featviz report` wrote")
    parser.add_argument("--out", type=Path, default=ROOT / MADE / "report.png")
    arguments = parser.parse_args()
    options = {"viewport": VIEWPORT, "device_scale_factor": SCALE}
    with (
        running_browser() as browser,
        open_report(browser, arguments.report.resolve(), **options) as reader,
    ):
        picture = record(reader)
    with atomic_write(arguments.out) as temporary:
        picture.save(temporary, optimize=True)
    print(arguments.out)


if __name__ == "__main__":
    main()
