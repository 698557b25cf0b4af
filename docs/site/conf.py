"""How `make docs` makes a site of the pages and the API; Sphinx reads this file.

The source folder is the repository, so that links from the README to the pages, and from these to
the figures, are links of the site as they stand.
"""

import re
from pathlib import Path
from typing import Any

import featviz

ROOT = Path(__file__).parents[2]

project, author, release = "featviz", "The featviz developers", featviz.__version__
html_title = "featviz"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/*.md", "docs/site/*.md", "featviz/pretrained/*.md"]
exclude_patterns = [".venv", "build"]
myst_heading_anchors = 4
html_show_copyright = False
html_theme_options = {"page_width": "1240px", "sidebar_width": "290px"}

# Names that are imported when they are first asked for would be missing.
for name in featviz.__all__:
    setattr(featviz, name, getattr(featviz, name))


def fit(_app: Any, name: str, source: list[str]) -> None:
    """A page that a command wrote gets a title; a link to a folder, which no site shows, its words.

    name: the page's path without its ending. source: its text, changed in place.
    """
    folder = (ROOT / name).parent

    def told(link: re.Match[str]) -> str:
        return link[1] if (folder / link[2]).is_dir() else link[0]

    text = re.sub(r"\[([^\]]+)\]\(([^)#:]+)\)", told, source[0])
    title = Path(name).name.replace("-", " ").capitalize()
    source[0] = text if text.startswith("# ") else f"# {title}\n\n{text}"


def finish(app: Any, _error: Exception | None) -> None:
    """The site opens with the README."""
    first = '<!doctype html><meta http-equiv="refresh" content="0; url=README.html">\n'
    (Path(app.outdir) / "index.html").write_text(first, encoding="utf-8")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", fit)
    app.connect("build-finished", finish)
