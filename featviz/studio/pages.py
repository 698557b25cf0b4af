"""The page's own files."""

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Response

STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def static_files(folder: Path) -> dict[str, Path]:
    """The paths under which the page's files are served; nothing else ever is.

    The table is made once, so no request is turned into a path.
    """
    table = {
        f"/static/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _KINDS and not path.name.startswith(".")
    }
    if "/static/index.html" in table:
        table["/"] = table["/static/index.html"]
    for icon in ("/static/favicon.ico", "/static/favicon.svg"):
        if icon in table:
            table.setdefault("/favicon.ico", table[icon])
    return table


def page_routes(folder: Path = STATIC) -> APIRouter:
    """A route for each of them."""
    routes = APIRouter()
    for path, file in static_files(folder).items():
        routes.get(path)(_serve(file))
    return routes


def _serve(path: Path) -> Callable[[], Response]:
    kind = _KINDS[path.suffix]

    def serve() -> Response:
        return Response(path.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})

    return serve
