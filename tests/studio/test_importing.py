"""Importing, which undoes exporting, of sets and histories, sound and damaged."""

import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.database import Database
from featviz.studio.exporting import HISTORY, export_sketches
from featviz.studio.importing import import_sketches
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from tests.studio.exports import rows, tree

REPOSITORY = Path(__file__).parents[2] / "sketches"


def test_a_complete_export_imported_again_is_the_same_database(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out", everything=True)
    report = import_sketches(tmp_path / "out", other)
    assert rows(other) == rows(drawn.database)
    assert report.new == len(rows(other)["SketchRecord"])
    # And the other way round: what is exported from there is the same folder, byte by byte.
    export_sketches(other, tmp_path / "again", everything=True)
    assert tree(tmp_path / "again") == tree(tmp_path / "out")


def test_an_imported_history_can_be_read_but_by_nobody_continued(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    text = (tmp_path / "out" / HISTORY).read_text()
    for author in rows(drawn.database, secrets=True)["Author"]:
        assert author["secret_digest"] not in text
    import_sketches(tmp_path / "out", other)
    assert {a["secret_digest"] for a in rows(other, secrets=True)["Author"]} == {None}


def test_the_repository_s_set_survives_the_way_through_a_database(
    database: Database, tmp_path: Path
) -> None:
    report = import_sketches(REPOSITORY, database)
    assert (report.new, report.known) == (200, 0)
    assert import_sketches(REPOSITORY, database).known == 200
    export_sketches(database, tmp_path / "out")
    exported = tree(tmp_path / "out")
    exported.pop(HISTORY)
    sketches = read_sketches(REPOSITORY)
    names = ("index.csv", *sketches.index["file"])
    assert exported == {name: (REPOSITORY / name).read_bytes() for name in names}


def test_pixels_and_foreign_drawings_survive_byte_by_byte(
    database: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    (folder / "photos").mkdir(parents=True)
    (folder / "odd").mkdir()
    picture = Image.new("L", (512, 512), 255)
    picture.paste(0, (100, 100, 140, 102))
    picture.save(folder / "photos" / "b.png")
    (folder / "odd" / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">\n'
        '<!-- by hand --><g id="left eye"><polyline points="1.23456,2 30,40"/></g>\n'
        '<g id="left eye"><polyline points="9,9 30,40"/></g><polyline points="5,5 6,6"/></svg>'
    )
    (folder / "odd" / "far.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">'
        '<polyline points="5,5 9000,6"/></svg>'
    )
    import_sketches(folder, database)
    export_sketches(database, tmp_path / "out")
    exported = tree(tmp_path / "out")
    assert {n: d for n, d in exported.items() if n not in (HISTORY, "index.csv")} == tree(folder)
    stored = {s["label"]: s["strokes"] for s in rows(database)["SketchRecord"]}
    assert stored["photos/b"] is None and stored["odd/far"] is None
    # What can be drawn on has the names and the precision of the page.
    assert [(s["part"], s["points"]) for s in stored["odd/a"]] == [
        ("left-eye", [1.23, 2, 30, 40]),
        ("left-eye", [9, 9, 30, 40]),
        ("unnamed", [5, 5, 6, 6]),
    ]


def test_a_sketch_changed_by_hand_after_the_export_comes_without_a_history(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    path = tmp_path / "out" / "jo's" / "002.svg"
    path.write_text(path.read_text().replace("100.25,200", "101,201"))
    import_sketches(tmp_path / "out", other)
    changed = next(s for s in rows(other)["SketchRecord"] if s["label"] == "jo's/002")
    assert changed["origin"] == "imported" and changed["drawing_id"] is None
    assert changed["strokes"][0]["points"][:2] == [101, 201]
    untouched = next(s for s in rows(other)["SketchRecord"] if s["label"] == "jo's/001")
    assert untouched["origin"] == "drawn" and untouched["drawing_id"] is not None


def test_a_set_from_the_time_when_dots_had_one_point_is_still_known(
    drawn: Store, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    dots = 0
    for path in (tmp_path / "out").rglob("*.svg"):
        text, found = re.subn(r'points="(\S+) \1"', r'points="\1"', path.read_text())
        path.write_text(text)
        dots += found
    before = rows(drawn.database)
    assert dots and import_sketches(tmp_path / "out", drawn.database).new == 0
    assert rows(drawn.database) == before


def test_another_sketch_of_the_same_name_stops_the_whole_import(
    drawn: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    (folder / "jo's").mkdir(parents=True)
    for name in ("000", "001"):
        (folder / "jo's" / f"{name}.svg").write_bytes((REPOSITORY / "G1/001.svg").read_bytes())
    before = rows(drawn.database)
    with pytest.raises(FeatvizError, match="another sketch 'jo's/001'"):
        import_sketches(folder, drawn.database)
    assert rows(drawn.database) == before


def test_numbers_of_imported_sketches_are_taken(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out", everything=True)
    import_sketches(tmp_path / "out", other)
    store = Store(other)
    me = store.authors.begin_session("An", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(me, drawing, None, "1")
    stroke = NewStroke("s", "mouth", 0, (1.0, 1.0))
    store.append_events(me, drawing, None, [NewEvent("e", "draw", (stroke,), ())])
    # jo's/003 was deleted; its number is not given again.
    assert store.save_sketch(me, str(uuid4()), drawing, 1, "jo's")[0].label == "jo's/004"


def test_names_that_are_no_utf8_are_refused_at_the_door(other: Database, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "g\udcff"
    folder.mkdir(parents=True)
    Image.new("L", (512, 512), 255).save(folder / "1.png")
    with pytest.raises(FeatvizError, match="UTF-8"):
        import_sketches(tmp_path / "set", other)
    assert not any(rows(other).values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "{" + text, "line 1"),
        (lambda text: text.replace('"format":2', '"format":9'), "format 9; expected 1 to 2"),
        (lambda text: text.replace('"revision":2', '"revision":"many"', 1), "revision"),
        (lambda text: text.replace('"revision":2', f'"revision":{10**30}', 1), "revision"),
        (lambda text: text + "[" * 100_000, "recursion|depth"),
        (lambda text: text.replace('"nickname":"Mei"', r'"nickname":"M\u0000"'), "null character"),
        (lambda text: text.replace('"kind":"draw"', r'"kind":"\ud800"', 1), "line"),
        (lambda text: text.replace('"created":"2', '"created":"0001-01-01T00:00+14:00 2'), "line"),
        (lambda text: text + text.split("\n")[3], "contradicts"),
    ],
)
def test_a_damaged_history_is_told_by_its_line_and_stores_nothing(
    change: Any, said: str, drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    path = tmp_path / "out" / HISTORY
    path.write_text(change(path.read_text()))
    with pytest.raises(FeatvizError, match=said) as caught:
        import_sketches(tmp_path / "out", other)
    assert "\n" not in str(caught.value)
    assert not any(rows(other).values())


def test_an_export_from_before_faces_were_told_is_read(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / HISTORY).read_text().splitlines()]
    lines[0] = {"format": 1}
    for line in lines:
        for key in ("faces", "bases"):
            line.get("sketch", {}).pop(key, None)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "out" / HISTORY).write_text(text)
    assert import_sketches(tmp_path / "out", other).new == 6
    saved = rows(other)["SketchRecord"]
    assert {sketch["author_id"] for sketch in saved} != {None}
    assert all(sketch["faces"] is None is sketch["bases"] for sketch in saved)


def test_an_import_goes_on_with_drawings_that_an_earlier_one_brought(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "first")
    import_sketches(tmp_path / "first", other)
    child = next(
        d for d in rows(drawn.database)["DrawingRecord"] if d["last_event"] == "r1" and d["base_id"]
    )
    stroke = NewStroke("s9", "nose", 9, (1.0, 2.0, 3.0, 4.0))
    later = NewEvent("e9", "draw", (stroke,), ("s1",))
    drawn.append_events(child["author_id"], child["id"], "r1", [later])
    drawn.save_sketch(child["author_id"], str(uuid4()), child["id"], child["revision"] + 1, "later")
    export_sketches(drawn.database, tmp_path / "second")
    assert import_sketches(tmp_path / "second", other).new == 1
    export_sketches(other, tmp_path / "again")
    assert tree(tmp_path / "again") == tree(tmp_path / "second")
    # An older export has nothing to add.
    before = rows(other)
    assert import_sketches(tmp_path / "first", other).new == 0
    assert rows(other) == before


def test_a_history_that_is_no_utf8_is_told_by_its_line(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    path = tmp_path / "out" / HISTORY
    path.write_bytes(path.read_bytes() + b'{"author": "\xff"}\n')
    with pytest.raises(FeatvizError, match=r"line \d+: "):
        import_sketches(tmp_path / "out", other)


def test_drawings_that_went_different_ways_are_not_mixed(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out", everything=True)
    import_sketches(tmp_path / "out", other)
    path = tmp_path / "out" / HISTORY
    path.write_text(path.read_text().replace('"id":"e2"', '"id":"x2"'))
    before = rows(other)
    with pytest.raises(FeatvizError, match="went on differently"):
        import_sketches(tmp_path / "out", other)
    assert rows(other) == before


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ('"suffix":".svg"', '"suffix":"/../../../escaped"'),
        ('"points":[100.25,', '"points":[1,100.25,'),
        ('"points":[100.25,', '"points":[NaN,'),
        ('"original":null', '"original":"xyz"'),
        ('"suffix":".svg"', '"suffix":".exe"'),
    ],
)
def test_a_history_made_up_by_somebody_is_refused(
    was: str, is_now: str, drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "out", everything=True)
    path = tmp_path / "out" / HISTORY
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, is_now))
    with pytest.raises(FeatvizError, match="line"):
        import_sketches(tmp_path / "out", other)
    assert not any(rows(other).values())
