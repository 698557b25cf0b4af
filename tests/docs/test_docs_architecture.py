"""The page that says which room to open, held against the code."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "featviz"


def floors():
    """room -> floor, as the page's table has it."""
    rows = re.findall(r"^\| (\d) \| (`[^|]+) \|", PAGE, re.MULTILINE)
    return {room: int(floor) for floor, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports():
    """(importing module, imported module) of the whole package, wherever in a file they stand."""
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "featviz":
                for alias in node.names:
                    known = node.module != "featviz"
                    yield module, node.module if known else f"featviz.{alias.name}"
            elif isinstance(node, ast.Import):
                yield from ((module, a.name) for a in node.names if a.name.startswith("featviz"))


def test_the_table_has_every_room():
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(floors()) == there - {"__init__", "__pycache__", "py", "pretrained"}


def test_every_import_goes_to_the_same_room_or_to_a_floor_below():
    floor = floors()
    seen = 0
    for module, imported in imports():
        here, there = room_of(module), room_of(imported)
        # The package itself only hands on the names of its rooms, when they are asked for.
        if not here or here == there or {here, there} <= {"commands", "cli", "__main__"}:
            continue
        seen += 1
        assert there, f"{module} imports {imported}: nobody asks the package itself"
        assert floor[there] < floor[here], f"{module} imports {imported}"
    assert seen > 500


def public_names(source):
    """The public names that a module defines at its top level, not those that it imports."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        else:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", 0)]
            parts = [p for t in targets for p in (t.elts if isinstance(t, ast.Tuple) else [t])]
            names = [part.id for part in parts if isinstance(part, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_stands_in_one_module():
    where = {}
    for path in PACKAGE.rglob("*.py"):
        for name in public_names(path.read_text(encoding="utf-8")):
            where.setdefault(name, set()).add(str(path.relative_to(PACKAGE)))
    assert len(where) > 1000
    twice = {name: files for name, files in where.items() if len(files) > 1}
    # A command line's way in, and what each module of routes hands to the server.
    assert set(twice) <= {"main", "routes"}, twice


def test_every_file_the_page_names_is_there():
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", PAGE)
    assert len(named) > 20
    for name in named:
        assert (PACKAGE / name).exists() or (ROOT / name).exists(), name


def test_the_picture_shows_the_rooms_of_the_table():
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    rooms = set(re.findall(r">(\w+)/</text>", picture))
    assert rooms == set(floors()) - {"cli", "__main__"}
