"""What Embedding Atlas and jupyter-scatter export of a large report's points, and how it opens.

Both run in an environment of their own. Embedding Atlas writes a folder that needs a web server,
which is started here; jupyter-scatter's widgets are written as ipywidgets write any.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
from playwright.sync_api import Error, Page

_IS_DRAWN = "[...document.querySelectorAll('canvas')].some((canvas) => canvas.width > 200)"
_SCATTER = """
import sys
import jscatter, pandas
from ipywidgets.embed import embed_minimal_html
points = pandas.read_parquet(sys.argv[1]).drop(columns="picture")
scatter = jscatter.Scatter(data=points, x="x", y="y", color_by="group")
embed_minimal_html(sys.argv[2], views=[scatter.widget])
"""

Opened = Callable[[Page, str, str], float]
Pan = Callable[[Page, float, float], tuple[float, float]]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of each file."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server that has a folder's files."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def export_peers(
    python: Path,
    points: pd.DataFrame,
    folder: Path,
    opened: Opened,
    pan: Pan,
    chromium_page: Callable[[], AbstractContextManager[Page]],
) -> Iterator[str]:
    """A row for each peer: bytes of its export, opening, frames; or what it does instead."""
    table = folder / "points.parquet"
    points.to_parquet(table)
    atlas = folder / "atlas"
    words = ["-m", "embedding_atlas.cli", table, "--x", "x", "--y", "y", "--image", "picture"]
    _run(python, *words, "--export-application", atlas)
    size = sum(file.stat().st_size for file in atlas.rglob("*") if file.is_file())
    with served(atlas) as address:
        told = _told(address, opened, pan, chromium_page)
    yield f"{'Embedding Atlas, served':24} {size / 1e6:8.1f} MB  {told}"
    told = _told((atlas / "index.html").as_uri(), opened, pan, chromium_page)
    yield f"{'Embedding Atlas, file':24} {size / 1e6:8.1f} MB  {told}"
    page = folder / "jupyter-scatter.html"
    _run(python, "-c", _SCATTER, table, page)
    told = _told(page.as_uri(), opened, pan, chromium_page)
    yield f"{'jupyter-scatter, file':24} {page.stat().st_size / 1e6:8.1f} MB  {told}"


def _run(python: Path, *words: object) -> None:
    subprocess.run([str(python), *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def _told(
    address: str,
    opened: Opened,
    pan: Pan,
    chromium_page: Callable[[], AbstractContextManager[Page]],
) -> str:
    """How a page opens and is panned; of one that draws nothing, what it asked others for."""
    with chromium_page() as page:
        elsewhere: set[str] = set()
        own = address.partition("/index")[0]
        page.on(
            "request",
            lambda request: (
                elsewhere.add(request.url.split("/")[2])
                if request.url.startswith("http") and not request.url.startswith(own)
                else None
            ),
        )
        try:
            opening = opened(page, address, _IS_DRAWN)
        except Error as error:
            told = f"draws nothing ({str(error).splitlines()[0]})"
        else:
            box = page.locator("canvas").first.bounding_box() or {"x": 0, "y": 0}
            frames, longest = pan(page, box["x"] + 300, box["y"] + 300)
            told = f"opens in {opening:.1f} s, {frames:.1f} frames/s, longest {longest:.0f} ms"
        return f"{told}; asks {', '.join(sorted(elsewhere)) or 'nobody'}"
