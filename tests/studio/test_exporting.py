"""Exporting and importing, which undo each other."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, update

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import rasterize, read_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.database import Database
from featviz.studio.exporting import HISTORY, export_sketches
from featviz.studio.importing import import_sketches
from featviz.studio.start_set import open_start_set
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from featviz.studio.strokes import lines
from featviz.studio.tables import Author, DrawingRecord, Event, SketchRecord, StrokeRecord

REPOSITORY = Path(__file__).parents[2] / "sketches"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "other.db")
    yield database
    database.close()


@pytest.fixture
def drawn(store: Store, small_set: Path) -> Store:
    """Edits of start sketches, an edit of an edit, one from scratch, a draft, a deleted one."""
    starts = open_start_set(small_set)
    mei = store.begin_session("Mei", "")[0].id
    jo = store.begin_session("Jo", "")[0].id

    def add(me: str, drawing: str, number: int, last: str | None, *points: float) -> str:
        stroke = NewStroke(
            f"s{number}", "mouth", number + 0.5, points or (100.25, 200.0, 130.5, 9.0)
        )
        store.append_events(me, drawing, last, [NewEvent(f"e{number}", "draw", (stroke,), ())])
        return f"e{number}"

    def save(me: str, drawing: str, revision: int, group: str) -> str:
        return store.save_sketch(me, str(uuid4()), drawing, revision, group)[0].id

    edit = str(uuid4())
    store.create_drawing(mei, edit, starts.start(4), "1")
    last = add(mei, edit, 1, "start", 200.0, 300.0)
    first = save(mei, edit, 2, "微笑 smiles")
    undo = NewEvent("u1", "undo", (), ("s1", "b0"), "e1")
    store.append_events(mei, edit, last, [undo])
    save(mei, edit, 3, "微笑 smiles")
    add(mei, edit, 2, "u1")

    child = str(uuid4())
    store.create_drawing(jo, child, first, "1")
    add(jo, child, 1, "start", -5.0, 3.07, 600.0, 500.33)
    save(jo, child, 2, "jo's")

    scratch = str(uuid4())
    store.create_drawing(jo, scratch, None, "1")
    add(jo, scratch, 1, None)
    save(jo, scratch, 1, "jo's")
    gone = save(jo, scratch, 1, "jo's")
    store.delete_sketch(jo, gone, True)

    draft = str(uuid4())
    store.create_drawing(mei, draft, None, "1")
    add(mei, draft, 1, None)
    return store


def rows(database: Database, *, secrets: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Everything in a database but what may not travel."""

    def work(session: Any) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for table in (Author, DrawingRecord, StrokeRecord, Event, SketchRecord):
            entries = [
                {k: v for k, v in vars(row).items() if not k.startswith("_")}
                for row in session.scalars(select(table))
            ]
            for entry in entries:
                for key in () if secrets else ("secret_digest", "token_digest"):
                    entry.pop(key, None)
            found[table.__name__] = sorted(entries, key=str)
        return found

    return database.read(work)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


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


def test_an_export_holds_the_saved_sketches_their_history_and_their_bases(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    report = export_sketches(drawn.database, tmp_path / "out")
    assert (report.sketches, report.bases, report.drafts, report.deleted) == (6, 2, 1, 1)
    import_sketches(tmp_path / "out", other)
    before, after = rows(drawn.database), rows(other)
    saved = [s for s in before["SketchRecord"] if s["deleted"] is None]
    assert after["SketchRecord"] == saved
    # What was drawn after the last save is nobody else's business yet.
    ends = {"e2": False, "u1": True}
    drawings = {d["id"]: d for d in after["DrawingRecord"]}
    for identifier, drawing in drawings.items():
        events = [e for e in before["Event"] if e["drawing_id"] == identifier]
        kept = [e for e in after["Event"] if e["drawing_id"] == identifier]
        assert kept == [e for e in events if ends.get(e["id"], True)]
        assert drawing["revision"] == len(kept)
    assert len(drawings) == 3
    export_sketches(other, tmp_path / "again")
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


def test_exported_sketches_have_the_pixels_that_were_drawn(drawn: Store, tmp_path: Path) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    sketches = read_sketches(tmp_path / "out")
    saved = {s["label"]: s for s in rows(drawn.database)["SketchRecord"]}
    for number, label in enumerate(sketches.index["sketch"]):
        pixels = rasterize(lines(saved[label]["strokes"]))
        assert np.array_equal(sketches.image(number), pixels)
    edits = sketches.index.set_index("sketch")
    assert edits.loc["微笑 smiles/001", "edited_part"] == "mouth"
    assert edits.loc["微笑 smiles/001", "base"] == "G8/002"
    assert edits.loc["jo's/001", "base"] == "微笑 smiles/001"
    assert edits.loc["jo's/002", "base"] == ""


def test_the_repository_s_set_survives_the_way_through_a_database(
    database: Database, tmp_path: Path
) -> None:
    report = import_sketches(REPOSITORY, database)
    assert (report.new, report.known) == (200, 0)
    assert import_sketches(REPOSITORY, database).known == 200
    export_sketches(database, tmp_path / "out")
    exported = tree(tmp_path / "out")
    exported.pop(HISTORY)
    original = tree(REPOSITORY)
    assert exported == {
        name: data for name, data in original.items() if name.endswith((".svg", "index.csv"))
    }


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
    me = store.begin_session("An", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(me, drawing, None, "1")
    stroke = NewStroke("s", "mouth", 0, (1.0, 1.0))
    store.append_events(me, drawing, None, [NewEvent("e", "draw", (stroke,), ())])
    # jo's/003 was deleted; its number is not given again.
    assert store.save_sketch(me, str(uuid4()), drawing, 1, "jo's")[0].label == "jo's/004"


def test_a_group_is_exported_with_the_sketches_it_was_made_from(
    drawn: Store, tmp_path: Path
) -> None:
    report = export_sketches(drawn.database, tmp_path / "out", "jo's")
    assert set(read_sketches(tmp_path / "out").index["sketch"]) == {
        "jo's/001",
        "jo's/002",
        "微笑 smiles/001",
        "G8/002",
        "G8/001",
    }
    assert (report.sketches, report.bases) == (5, 3)
    with pytest.raises(FeatvizError, match="no saved sketches in group 'none'"):
        export_sketches(drawn.database, tmp_path / "none", "none")
    assert not (tmp_path / "none").exists()


def test_edits_of_a_deleted_sketch_are_exported_without_it_and_counted(
    drawn: Store, tmp_path: Path
) -> None:
    sketches = rows(drawn.database)["SketchRecord"]
    smile = next(s for s in sketches if s["label"] == "微笑 smiles/001")
    drawn.delete_sketch(smile["author_id"], smile["id"], True)
    report = export_sketches(drawn.database, tmp_path / "out")
    assert report.orphans == 1
    index = read_sketches(tmp_path / "out").index.set_index("sketch")
    assert index.loc["jo's/001", "base"] == ""
    assert "微笑 smiles/001" not in index.index


def test_an_export_that_fails_leaves_no_folder(
    drawn: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(FeatvizError, match="not empty"):
        export_sketches(drawn.database, tmp_path / "full")
    monkeypatch.setattr("featviz.studio.exporting.file_of", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_sketches(drawn.database, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sketches SET strokes = 'nonsense'",
        "UPDATE sketches SET strokes = '5'",
        """UPDATE sketches SET strokes = '[{"part": "mouth"}]'""",
        """UPDATE sketches SET strokes = '[{"part": "mouth", "points": [1, 2, 3]}]'""",
        "UPDATE sketches SET saved = 'yesterday'",
        "UPDATE events SET added = '{'",
        "ALTER TABLE events DROP COLUMN kind",
        "DROP TABLE authors",
    ],
)
def test_a_database_that_holds_something_else_is_told_in_one_line(
    damage: str, small_set: Path, tmp_path: Path
) -> None:
    database = Database(tmp_path / "sketches.db")
    import_sketches(small_set, database)
    store = Store(database)
    me = store.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    store.create_drawing(me, drawing, None, "1")
    line = NewStroke("s", "mouth", 0, (1.0, 1.0))
    store.append_events(me, drawing, None, [NewEvent("e", "draw", (line,), ())])
    store.save_sketch(me, str(uuid4()), drawing, 1, "mine")
    with sqlite3.connect(tmp_path / "sketches.db", isolation_level=None) as other:
        other.execute("PRAGMA foreign_keys = OFF")
        other.execute(damage)
    with pytest.raises(FeatvizError) as caught:
        export_sketches(database, tmp_path / "out", everything=True)
    assert "\n" not in str(caught.value) and "locked" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []
    database.close()


def test_names_that_no_folder_can_have_stop_no_export_and_are_read_back(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    me = drawn.begin_session("Mei", "")[0].id
    drawing = str(uuid4())
    drawn.create_drawing(me, drawing, None, "1")
    line = NewStroke("s", "mouth", 0, (1.0, 1.0, 9.0, 9.0))
    drawn.append_events(me, drawing, None, [NewEvent("e", "draw", (line,), ())])
    # As if they came from older pages or other people's sets.
    odd = [
        "history.jsonl",
        "INDEX.csv",
        "con",
        "..",
        ".x",
        "Mine",
        "mine",
        "a:b",
        "\x1b[2J",
        "字" * 79,
    ]
    for group in odd:
        drawn.save_sketch(me, str(uuid4()), drawing, 1, group)
    export_sketches(drawn.database, tmp_path / "out", everything=True)
    back = read_sketches(tmp_path / "out")
    assert set(odd) <= set(back.groups)
    assert all((back.image(number) == 0).any() for number in range(len(back)))
    report = import_sketches(tmp_path / "out", other)
    assert (report.new, report.known) == (len(rows(drawn.database)["SketchRecord"]), 0)
    for table in ("Author", "DrawingRecord", "StrokeRecord", "Event"):
        assert rows(other)[table] == rows(drawn.database)[table]
    # The second export is the first one, and importing it changes nothing.
    export_sketches(other, tmp_path / "again", everything=True)
    assert tree(tmp_path / "again") == tree(tmp_path / "out")
    assert import_sketches(tmp_path / "again", other).new == 0


def test_names_that_are_no_utf8_are_refused_at_the_door(other: Database, tmp_path: Path) -> None:
    folder = tmp_path / "set" / "g\udcff"
    folder.mkdir(parents=True)
    Image.new("L", (512, 512), 255).save(folder / "1.png")
    with pytest.raises(FeatvizError, match="UTF-8"):
        import_sketches(tmp_path / "set", other)
    assert not any(rows(other).values())


def test_what_killed_exports_have_left_goes_with_the_next_one_but_not_what_is_being_written(
    drawn: Store, tmp_path: Path
) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from featviz.export.folders import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").touch()
    print(folder, flush=True)
    sys.stdin.readline()
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "out")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    killed, living = (Path(str(w.stdout and w.stdout.readline()).strip()) for w in writers)
    writers[0].kill()
    writers[0].wait()
    others = tmp_path / ".out.notes"
    others.mkdir()
    assert (killed / "half").exists()
    export_sketches(drawn.database, tmp_path / "out")
    assert not killed.exists()
    assert (living / "half").exists() and others.exists()
    writers[1].kill()
    writers[1].wait()
    with pytest.raises(FeatvizError, match="not empty"):
        export_sketches(drawn.database, tmp_path / "out")


def test_a_file_path_out_of_a_database_stays_inside_the_folder(
    drawn: Store, tmp_path: Path
) -> None:
    escape = (
        update(SketchRecord)
        .where(SketchRecord.label == "jo's/002")
        .values(file="../../escaped.svg")
    )
    drawn.database.write(lambda session: session.execute(escape))
    export_sketches(drawn.database, tmp_path / "deep" / "er" / "out")
    assert list(tmp_path.rglob("*escaped*")) == list(
        (tmp_path / "deep/er/out").rglob("escaped.svg")
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "{" + text, "line 1"),
        (lambda text: text.replace('"format":1', '"format":9'), "format 9; expected 1"),
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


def test_the_commands_lead_from_a_database_to_feature_tables(
    drawn: Store, checkpoints: tuple[Path, Path], tmp_path: Path
) -> None:
    source = drawn.database.url.render_as_string(hide_password=False)
    drawn.database.close()

    def featviz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "featviz", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600)

    exported = featviz("sketches", "export", source, "out")
    assert exported.returncode == 0, exported.stderr
    assert "6 sketches (2 only" in exported.stdout and "1 drawings never" in exported.stdout
    taken = featviz("extract", checkpoints[0], "--sketches", "out", "--out", "features")
    assert taken.returncode == 0, taken.stderr
    assert "6 rows" in taken.stdout
    imported = featviz("sketches", "import", "out", "new.db")
    assert "6 sketches imported, 0 were there" in imported.stdout, imported.stderr
    for wrong in (("export", "none.db", "x"), ("import", "none", "x.db")):
        failed = featviz("sketches", *wrong)
        assert failed.returncode == 2 and failed.stderr.count("\n") == 1, failed.stderr
    assert not (tmp_path / "none.db").exists()


def test_an_import_goes_on_with_drawings_that_an_earlier_one_brought(
    drawn: Store, other: Database, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "first")
    import_sketches(tmp_path / "first", other)
    child = next(
        d for d in rows(drawn.database)["DrawingRecord"] if d["last_event"] == "e1" and d["base_id"]
    )
    stroke = NewStroke("s9", "nose", 9, (1.0, 2.0, 3.0, 4.0))
    later = NewEvent("e9", "draw", (stroke,), ("s1",))
    drawn.append_events(child["author_id"], child["id"], "e1", [later])
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


def test_without_the_extra_the_commands_say_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules.update(sqlalchemy=None, fastapi=None);"
        "from featviz.cli import main; main(sys.argv[1:])"
    )
    (tmp_path / "own.db").touch()
    for arguments in (
        ["draw", "--no-browser"],
        ["sketches", "export", "own.db", "out"],
        ["sketches", "import", "set", "own.db"],
    ):
        failed = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=600,
        )
        assert failed.returncode == 2, failed.stderr
        assert "pip install 'featviz[draw]'" in failed.stderr and failed.stderr.count("\n") == 1


def test_history_lines_are_json_of_one_thing_each(drawn: Store, tmp_path: Path) -> None:
    export_sketches(drawn.database, tmp_path / "out")
    kinds = [list(json.loads(line)) for line in (tmp_path / "out" / HISTORY).open()]
    assert kinds[0] == ["format"]
    assert {kind for (kind,) in kinds[1:]} == {"author", "drawing", "sketch"}
    assert read_svg(tmp_path / "out" / "jo's" / "001.svg").parts
