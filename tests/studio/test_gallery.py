import base64
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from featviz.studio.database import Database
from featviz.studio.gallery import SketchFilter, facets, list_drawings, list_sketches
from featviz.studio.problems import StudioError
from featviz.studio.start_sketch import StartSketch
from featviz.studio.steps import NewEvent, NewStroke
from featviz.studio.store import Store
from featviz.studio.tables import SketchRecord

FACE = StartSketch(
    "G8/001", "G8", "G8/001.svg", "", (("mouth", (1.0, 2.0)), ("nose", (3.0, 4.0))), None
)


@pytest.fixture
def people(store: Store) -> dict[str, str]:
    """Three people with sketches in two groups; some edit the mouth, some mouth and nose."""
    ids = {}
    for number, name in enumerate(("Mei", "Jo_100%", "安")):
        me = ids[name] = store.authors.begin_session(name, "")[0].id
        drawing = str(uuid4())
        store.create_drawing(me, drawing, FACE, "1")
        last = "start"
        for step in range(4):
            part = "mouth" if step % 2 == 0 else "nose"
            add = (NewStroke(f"s{step}", part, step, (10.0 * step, 5.0)),)
            store.append_events(me, drawing, last, [NewEvent(f"e{step}", "draw", add, ())])
            last = f"e{step}"
            group = "a%b" if (step + number) % 2 else "plain"
            store.save_sketch(me, str(uuid4()), drawing, step + 2, group)
    return ids


def labels(database: Database, wanted: SketchFilter, order: str = "label") -> list[str]:
    page = list_sketches(database, wanted, order, 100, None)  # type: ignore[arg-type]
    assert page.total == len(page.sketches)
    return [listed.sketch.label for listed in page.sketches]


def everything(database: Database) -> list[SketchRecord]:
    return database.read(
        lambda session: list(
            session.scalars(select(SketchRecord).where(SketchRecord.origin == "drawn"))
        )
    )


def test_each_filter_keeps_exactly_what_it_says(database: Database, people: dict[str, str]) -> None:
    sketches = everything(database)
    assert len(sketches) == 12
    middle = sorted(s.saved for s in sketches)[6]
    for wanted, keeps in (
        (SketchFilter(), lambda s: True),
        (SketchFilter(group="a%b"), lambda s: s.group_name == "a%b"),
        (SketchFilter(author=people["Mei"]), lambda s: s.author_id == people["Mei"]),
        (SketchFilter(mine=people["安"]), lambda s: s.author_id == people["安"]),
        (SketchFilter(part="nose"), lambda s: "nose" in s.edited_part.split()),
        (SketchFilter(part="nos"), lambda s: False),
        (SketchFilter(base=FACE.id), lambda s: True),
        (SketchFilter(base="other"), lambda s: False),
        (SketchFilter(text="A%B"), lambda s: s.group_name == "a%b"),
        (SketchFilter(text="_"), lambda s: s.author_id == people["Jo_100%"]),
        (SketchFilter(text="安"), lambda s: s.author_id == people["安"]),
        (SketchFilter(since=middle), lambda s: s.saved >= middle),
        (
            SketchFilter(until=middle, group="plain"),
            lambda s: s.saved <= middle and s.group_name == "plain",
        ),
    ):
        assert labels(database, wanted) == sorted(s.label for s in sketches if keeps(s)), wanted
    assert labels(database, SketchFilter(origin="start")) == ["G8/001"]


def test_pages_neither_repeat_nor_skip_what_was_there_while_others_save(
    database: Database, store: Store, people: dict[str, str]
) -> None:
    # All within one moment, so that only the ids tell them apart.
    moment = everything(database)[0].saved
    database.write(lambda session: session.execute(update(SketchRecord).values(saved=moment)))
    for order in ("new", "old", "label"):
        before = {sketch.id for sketch in everything(database)}
        seen: list[str] = []
        cursor = None
        while True:
            page = list_sketches(database, SketchFilter(), order, 5, cursor)  # type: ignore[arg-type]
            seen += [listed.sketch.id for listed in page.sketches]
            drawing = page.sketches[0].sketch.drawing_id
            me = page.sketches[0].sketch.author_id
            store.save_sketch(str(me), str(uuid4()), str(drawing), 2, f"more {order}")
            cursor = page.next
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) and before <= set(seen), order


def test_orders_are_orders(database: Database, people: dict[str, str]) -> None:
    times = {sketch.label: sketch.saved for sketch in everything(database)}
    new = labels(database, SketchFilter(), "new")
    old = labels(database, SketchFilter(), "old")
    assert new == old[::-1]
    assert [times[label] for label in old] == sorted(times.values())


def test_deleted_sketches_are_shown_to_their_author_alone(
    database: Database, store: Store, people: dict[str, str]
) -> None:
    mei, jo = people["Mei"], people["Jo_100%"]
    gone = next(s for s in everything(database) if s.author_id == mei)
    store.delete_sketch(mei, gone.id, True)
    assert gone.label not in labels(database, SketchFilter())
    assert labels(database, SketchFilter(mine=mei, deleted=True)) == [gone.label]
    assert labels(database, SketchFilter(mine=jo, deleted=True)) == []
    store.delete_sketch(mei, gone.id, False)
    assert gone.label in labels(database, SketchFilter())


def test_facets_count_the_saved_sketches(database: Database, people: dict[str, str]) -> None:
    found = facets(database)
    sketches = everything(database)
    assert dict(found.groups) == {"a%b": 6, "plain": 6}
    assert {(a, n): c for a, n, c in found.authors} == {(i, n): 4 for n, i in people.items()}
    assert dict(found.parts) == {
        part: sum(part in s.edited_part.split() for s in sketches) for part in ("mouth", "nose")
    }


def test_drawings_are_listed_to_their_author_latest_first(
    database: Database, store: Store, people: dict[str, str]
) -> None:
    mei = people["Mei"]
    mine = [str(uuid4()) for _ in range(5)]
    for identifier in mine:
        store.create_drawing(mei, identifier, None, "1")
    add = (NewStroke("s", "mouth", 0, (1.0, 1.0)),)
    store.append_events(mei, mine[0], None, [NewEvent("e", "draw", add, ())])
    store.delete_drawing(mei, mine[1], True)
    first = list_drawings(database, mei, False, 3, None)
    rest = list_drawings(database, mei, False, 3, first.next)
    listed = [drawing for drawing, _ in first.drawings + rest.drawings]
    assert first.total == len(listed) == 5 and rest.next is None
    assert {d.id for d in listed} >= {mine[0], *mine[2:]} and mine[1] not in {d.id for d in listed}
    assert [d.updated for d in listed] == sorted((d.updated for d in listed), reverse=True)
    assert [d.id for d, _ in list_drawings(database, mei, True, 3, None).drawings] == [mine[1]]
    saved = {drawing.id: count for drawing, count in first.drawings + rest.drawings}
    assert sorted(saved.values()) == [0, 0, 0, 0, 4]


def test_a_cursor_of_another_list_is_refused(database: Database, people: dict[str, str]) -> None:
    cursor = list_sketches(database, SketchFilter(), "new", 2, None).next
    made_up = [
        base64.urlsafe_b64encode(json.dumps([kind, text, "id"]).encode()).decode()
        for kind, text in (
            ("label", "a\0b"),
            ("label", "\ud800"),
            ("new", "9999-12-31T23:59:59-14:00"),
            ("new", "0001-01-01T00:00:00+14:00"),
        )
    ]
    for order, given in (
        ("label", cursor),
        ("new", "nonsense"),
        ("new", "W10="),
        ("old", "é"),
        ("label", made_up[0]),
        ("label", made_up[1]),
        ("new", made_up[2]),
        ("new", made_up[3]),
    ):
        with pytest.raises(StudioError, match="cursor"):
            list_sketches(database, SketchFilter(), order, 2, given)  # type: ignore[arg-type]


def test_times_are_compared_as_moments(database: Database, people: dict[str, str]) -> None:
    latest = max(sketch.saved for sketch in everything(database))
    later = SketchFilter(since=latest + timedelta(milliseconds=1))
    assert labels(database, later) == []
    assert len(labels(database, SketchFilter(since=latest))) >= 1
