"""The page's files, read as text: how modules lean on each other, and what none of them does."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import featviz.studio

STATIC = Path(featviz.studio.__file__).parent / "static"
IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"\./([\w-]+\.js)";', re.MULTILINE)


def test_the_page_s_modules_form_layers_without_a_circle() -> None:
    imports = {path.name: IMPORT.findall(path.read_text()) for path in STATIC.glob("*.js")}
    assert "page.js" in imports["app.js"] and "geometry.js" in imports["sketch.js"]
    assert {name for names in imports.values() for name in names} <= imports.keys()
    try:
        order = list(TopologicalSorter(imports).static_order())
    except CycleError as error:
        raise AssertionError("a circle: " + " <- ".join(error.args[1])) from None
    assert set(order) == imports.keys()


def test_no_module_parses_markup_or_names_another_host() -> None:
    for path in filter(Path.is_file, STATIC.rglob("*")):
        text = path.read_text(encoding="utf-8")
        for forbidden in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ):
            assert forbidden not in text, f"{path.name}: {forbidden}"
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        assert hosts <= {"www.w3.org"}, path.name


def test_all_colours_come_from_the_tokens() -> None:
    sheets = sorted((STATIC / "styles").glob("*.css"))
    style = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    # Each is loaded, the tokens first and what changes on narrow pages last.
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'href="/static/styles/([\w-]+\.css)"', page)
    assert sorted(loaded) == [sheet.name for sheet in sheets]
    assert (loaded[0], loaded[-1]) == ("tokens.css", "narrow.css")
    rules = re.sub(r":root[^{]*\{[^}]*\}", "", style)
    allowed = {"#565b62", "#8fd3ff"}  # on paper and on the difference map, in every theme
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s])", rules)) - allowed == set()
    themes = r"(?:data-theme=\"dark\"\]|:root:not\(\[data-theme\]\)) \{(.*?)\}"
    dark = re.findall(themes, style, re.DOTALL)
    assert len(dark) == 2
    # One dark theme, by the switch and by the system.
    assert dark[0].split() == dark[1].split()
