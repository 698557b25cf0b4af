"""Exporting: what goes out, under which names, and what is left when it fails."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import update

from featviz.base.errors import FeatvizError
from featviz.cli import main
from featviz.sketches.drawing import rasterize, read_svg
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.database import Database
from featviz.studio.exporting import HISTORY, export_sketches
from featviz.studio.importing import import_sketches
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from featviz.studio.strokes import lines
from featviz.studio.tables import SketchRecord
from tests.studio.exports import rows, tree

REPOSITORY = Path(__file__).parents[2] / "sketches"


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


def test_the_index_tells_which_way_faces_were_made_where_anybody_told(
    drawn: Store, tmp_path: Path
) -> None:
    export_sketches(drawn.database, tmp_path / "all")
    table = pd.read_csv(tmp_path / "all" / "index.csv", dtype=str, keep_default_na=False)
    told = table[table["faces"] != ""]
    assert told[["sketch", "faces", "bases"]].values.tolist() == [
        ["jo's/001", "modified:kept baseline:free", "3"]
    ]
    export_sketches(drawn.database, tmp_path / "silent", "微笑 smiles")
    silent = pd.read_csv(tmp_path / "silent" / "index.csv", dtype=str)
    assert list(silent.columns) == ["sketch", "group", "file", "base", "edited_part"]


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
    me = store.authors.begin_session("Mei", "")[0].id
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
    me = drawn.authors.begin_session("Mei", "")[0].id
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


def test_the_commands_lead_from_a_database_to_feature_tables(
    drawn: Store,
    checkpoints: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = drawn.database.url.render_as_string(hide_password=False)
    drawn.database.close()
    monkeypatch.chdir(tmp_path)

    def featviz(*arguments: str | Path) -> str:
        main(list(map(str, arguments)))
        return capsys.readouterr().out

    exported = featviz("sketches", "export", source, "out")
    assert "6 sketches (2 only" in exported and "1 drawings never" in exported
    assert "6 rows" in featviz("extract", checkpoints[0], "--sketches", "out", "--out", "features")
    assert "6 sketches imported, 0 were there" in featviz("sketches", "import", "out", "new.db")
    for wrong in (("export", "none.db", "x"), ("import", "none", "x.db")):
        with pytest.raises(SystemExit) as ended:
            featviz("sketches", *wrong)
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "none.db").exists()


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
