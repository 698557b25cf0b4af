"""The store, on SQLite and on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from featviz.sketches.drawing import rasterize, read_svg
from featviz.studio.database import Database
from featviz.studio.problems import StudioError
from featviz.studio.start_sketch import StartSketch
from featviz.studio.steps import Limits, NewEvent, NewStroke
from featviz.studio.store import Store
from featviz.studio.strokes import editable, lines
from featviz.studio.tables import Event

LINE = (100.0, 200.0, 150.5, 210.25)
FACE = StartSketch(
    label="G8/001",
    group="G8",
    file="G8/001.svg",
    edited_part="",
    strokes=(("mouth", (200.0, 350.0, 280.0, 350.0)), ("nose", (240.0, 250.0, 240.0, 300.0))),
    base=None,
)


def stroke(name: str, part: str = "mouth", order: float = 0) -> NewStroke:
    return NewStroke(name, part, order, LINE)


def event(
    name: str, *add: NewStroke | str, remove: tuple[str, ...] = (), kind: str = "draw"
) -> NewEvent:
    return NewEvent(name, kind, add, remove)


def author(store: Store, nickname: str = "Mei") -> str:
    return store.authors.begin_session(nickname, "")[0].id


def drawing(store: Store, author_id: str, base: StartSketch | str | None = None) -> str:
    contents, new = store.create_drawing(author_id, str(uuid4()), base, "1")
    assert new
    return contents.drawing.id


def present(store: Store, author_id: str, drawing_id: str) -> list[str]:
    strokes = store.drawing(author_id, drawing_id).strokes
    return [stroke.id for stroke in strokes if stroke.present]


def test_what_was_drawn_comes_back_in_the_order_of_the_strokes(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    first = event("e1", stroke("late", order=2), stroke("early", order=1))
    state = store.append_events(me, mine, None, [first, event("e2", stroke("between", order=1.5))])
    assert (state.revision, state.last, state.stored) == (2, "e2", 2)
    contents = store.drawing(me, mine)
    assert [s.id for s in contents.strokes] == ["early", "between", "late"]
    assert contents.strokes[0].points == list(LINE)
    assert [(e.number, e.id, e.added) for e in contents.events] == [
        (1, "e1", ["late", "early"]),
        (2, "e2", ["between"]),
    ]


def test_events_sent_again_are_stored_once_even_behind_later_ones(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    events = [event(f"e{n}", stroke(f"s{n}", order=n)) for n in range(4)]
    store.append_events(me, mine, None, events[:2])
    # The answer got lost: the same head again, with a new tail.
    state = store.append_events(me, mine, None, events[:3])
    assert (state.revision, state.last, state.stored) == (3, "e2", 1)
    store.append_events(me, mine, "e2", events[3:])
    state = store.append_events(me, mine, None, events[:2])
    assert (state.revision, state.last, state.stored) == (4, "e3", 0)
    assert present(store, me, mine) == ["s0", "s1", "s2", "s3"]


def test_events_behind_another_event_than_the_last_are_a_conflict_that_tells_the_last(
    store: Store,
) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    for after in (None, "unknown"):
        with pytest.raises(StudioError, match="changed elsewhere") as caught:
            store.append_events(me, mine, after, [event("e2", stroke("s2"))])
        assert caught.value.details == {"last": "e1", "revision": 1}
    # Known events in the midst of new ones are no resend of ours.
    with pytest.raises(StudioError, match="changed elsewhere"):
        store.append_events(me, mine, None, [event("e0", stroke("s0")), event("e1", stroke("s1"))])
    assert present(store, me, mine) == ["s1"]


def test_an_id_that_stands_for_something_else_is_refused(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    with pytest.raises(StudioError, match="event e1 is another one"):
        store.append_events(me, mine, None, [event("e1", stroke("other"))])
    with pytest.raises(StudioError, match="stroke s1 is another one"):
        store.append_events(me, mine, "e1", [event("e2", stroke("s1"))])
    with pytest.raises(StudioError, match="same id"):
        store.append_events(me, mine, "e1", [event("e2"), event("e2")])


def test_undo_and_redo_are_events_and_nothing_is_forgotten(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    steps = [
        event("e1", stroke("s1", order=1)),
        event("e2", stroke("s2", order=2)),
        NewEvent("u2", "undo", (), ("s2",), "e2"),
        NewEvent("r2", "redo", ("s2",), (), "e2"),
        event("e3", remove=("s1", "s2"), kind="clear"),
    ]
    for before, step in zip([None, *steps], steps, strict=False):
        store.append_events(me, mine, before and before.id, [step])
    contents = store.drawing(me, mine)
    there = [[s.id for s in contents.at(revision)] for revision in range(6)]
    assert there == [[], ["s1"], ["s1", "s2"], ["s1"], ["s1", "s2"], []]
    assert [e.of for e in contents.events] == [None, None, "e2", "e2", None]


def test_a_request_with_one_impossible_event_stores_none_of_its_events(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    for impossible in (
        event("bad", remove=("unknown",)),
        event("bad", "unknown"),
        event("bad", "s1"),
        event("bad", remove=("s1", "s1")),
    ):
        with pytest.raises(StudioError) as caught:
            store.append_events(me, mine, "e1", [event("e2", stroke("s2")), impossible])
        assert caught.value.code == "bad-request"
    assert store.drawing(me, mine).drawing.revision == 1
    assert present(store, me, mine) == ["s1"]


def test_a_stroke_can_come_and_go_within_one_request(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(
        me,
        mine,
        None,
        [
            event("e1", stroke("s1"), stroke("s2", order=1)),
            event("e2", remove=("s1",)),
            event("e3", "s1", remove=("s2",)),
        ],
    )
    assert present(store, me, mine) == ["s1"]


def test_nobody_reaches_the_drawings_of_others_or_changes_their_sketches(store: Store) -> None:
    me, you = author(store), author(store, "Jo")
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    sketch, _ = store.save_sketch(me, str(uuid4()), mine, 1, "mine")
    attempts = (
        lambda: store.drawing(you, mine),
        lambda: store.create_drawing(you, mine, None, "1"),
        lambda: store.append_events(you, mine, "e1", [event("e2", stroke("s2"))]),
        lambda: store.delete_drawing(you, mine, True),
        lambda: store.save_sketch(you, str(uuid4()), mine, 1, "mine"),
        lambda: store.delete_sketch(you, sketch.id, True),
    )
    for attempt in attempts:
        with pytest.raises(StudioError, match="somebody else's"):
            attempt()
    assert store.sketch(sketch.id).deleted is None


def test_a_drawing_with_a_base_begins_with_its_strokes_and_tells_what_was_edited(
    store: Store,
) -> None:
    me = author(store)
    mine = drawing(store, me, FACE)
    contents = store.drawing(me, mine)
    assert [(s.id, s.part, tuple(s.points)) for s in contents.strokes] == [
        ("b0", *FACE.strokes[0]),
        ("b1", *FACE.strokes[1]),
    ]
    assert contents.base is not None and contents.base.label == "G8/001"
    smile = event("e1", stroke("smile"), remove=("b0",), kind="move")
    store.append_events(me, mine, "start", [smile])
    sketch, new = store.save_sketch(me, str(uuid4()), mine, 2, "smiles")
    assert new
    assert (sketch.label, sketch.file, sketch.edited_part) == (
        "smiles/001",
        "smiles/001.svg",
        "mouth",
    )
    assert sketch.base_id == contents.base.id
    # Drawn back again, it is the base: nothing is edited.
    store.append_events(me, mine, "e1", [event("e2", "b0", remove=("smile",), kind="undo")])
    again, _ = store.save_sketch(me, str(uuid4()), mine, 3, "smiles")
    assert (again.label, again.edited_part) == ("smiles/002", "")


def test_the_chain_of_bases_at_a_step_follows_undo_redo_and_going_back(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me, FACE)

    def step(name: str, kind: str, of: str | None = None) -> NewEvent:
        return NewEvent(name, kind, (), (), of)

    story = [
        (event("e1", stroke("s1")), ()),
        (step("r1", "rebase"), (3,)),
        (event("e2", stroke("s2")), (3,)),
        (step("r2", "rebase"), (3, 5)),
        (step("u1", "undo", "r2"), (3,)),
        (event("u2", remove=("s2",), kind="undo"), (3,)),
        (step("u3", "undo", "r1"), ()),
        (step("d1", "redo", "r1"), (3,)),
        (step("b1", "restore", "r2"), (3, 5)),
        (step("b2", "restore", "start"), ()),
        (step("u4", "undo", "b2"), (3, 5)),
        (step("r3", "rebase"), (3, 5, 13)),
        (step("b3", "restore", "nobody"), (3, 5, 13)),
    ]
    store.append_events(me, mine, "start", [event for event, _ in story])
    contents = store.drawing(me, mine)
    expected = [(), (), *(chain for _, chain in story)]
    assert [contents.bases_at(n) for n in range(len(expected))] == expected
    faces = [{"checkpoint": "modified", "kept": True}]
    told, _ = store.save_sketch(me, str(uuid4()), mine, 6, "mine", faces=faces)
    assert (told.faces, told.bases) == (faces, [3])
    silent, _ = store.save_sketch(me, str(uuid4()), mine, 6, "mine")
    assert (silent.faces, silent.bases) == (None, None)


def test_a_start_sketch_and_its_base_are_stored_once(store: Store) -> None:
    me = author(store)
    edit = replace(FACE, label="G8/002", file="G8/002.svg", edited_part="mouth", base=FACE)
    bases = {store.drawing(me, drawing(store, me, edit)).drawing.base_id for _ in range(3)}
    assert bases == {edit.id}
    assert store.sketch(edit.id).base_id == FACE.id
    assert store.sketch(FACE.id).base_id == FACE.id
    assert store.sketch(FACE.id).origin == "start"


def test_a_start_sketch_gets_another_label_where_its_own_is_taken(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    assert store.save_sketch(me, str(uuid4()), mine, 1, "G8")[0].label == "G8/001"
    drawing(store, me, FACE)
    copy = store.sketch(FACE.id)
    assert copy.label == f"G8/001-{FACE.id[:8]}" and copy.file == f"G8/001-{FACE.id[:8]}.svg"


def test_saving_again_with_the_same_id_is_one_sketch(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1")), event("e2", stroke("s2"))])
    identifier = str(uuid4())
    first, new = store.save_sketch(me, identifier, mine, 1, "mine")
    again, newer = store.save_sketch(me, identifier, mine, 1, "mine")
    assert (new, newer) == (True, False)
    assert first.label == again.label == "mine/001"
    assert first.strokes is not None and len(first.strokes) == 1
    with pytest.raises(StudioError, match="another one already"):
        store.save_sketch(me, identifier, mine, 2, "mine")
    with pytest.raises(StudioError, match="has 2 events; cannot save 3"):
        store.save_sketch(me, str(uuid4()), mine, 3, "mine")
    with pytest.raises(StudioError, match="nothing drawn"):
        store.save_sketch(me, str(uuid4()), mine, 0, "mine")


def test_numbers_of_deleted_sketches_are_not_given_again(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    first, _ = store.save_sketch(me, str(uuid4()), mine, 1, "mine")
    second, _ = store.save_sketch(me, str(uuid4()), mine, 1, "mine", replaces=first.id)
    assert second.label == "mine/002"
    assert store.sketch(first.id).deleted is not None
    assert store.delete_sketch(me, first.id, False).deleted is None
    third, _ = store.save_sketch(me, str(uuid4()), mine, 1, "mine")
    assert third.label == "mine/003"


def test_a_deleted_drawing_takes_no_events_until_it_is_restored(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    when = store.delete_drawing(me, mine, True).deleted
    assert when is not None and store.delete_drawing(me, mine, True).deleted == when
    with pytest.raises(StudioError, match="deleted"):
        store.append_events(me, mine, None, [event("e1", stroke("s1"))])
    store.delete_drawing(me, mine, False)
    assert store.append_events(me, mine, None, [event("e1", stroke("s1"))]).revision == 1


def test_many_who_save_into_one_group_at_once_get_a_number_each(store: Store) -> None:
    people = [author(store, str(n)) for n in range(6)]

    def work(me: str) -> list[str]:
        mine = drawing(store, me, FACE)
        labels = []
        last: str | None = "start"
        for n in range(8):
            store.append_events(me, mine, last, [event(f"e{n}", stroke(f"s{n}"))])
            last = f"e{n}"
            labels.append(store.save_sketch(me, str(uuid4()), mine, n + 2, "ours")[0].label)
        return labels

    with ThreadPoolExecutor(6) as pool:
        labels = [label for part in pool.map(work, people) for label in part]
    assert sorted(labels) == [f"ours/{n:03d}" for n in range(1, 49)]


def test_one_event_sent_by_two_threads_at_once_is_stored_once(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    last = None
    with ThreadPoolExecutor(2) as pool:
        for n in range(10):
            step = [event(f"e{n}", stroke(f"s{n}"))]
            sent = [pool.submit(store.append_events, me, mine, last, step) for _ in range(2)]
            assert sorted(future.result().stored for future in sent) == [0, 1]
            last = f"e{n}"
    assert store.drawing(me, mine).drawing.revision == 10


def test_drawings_have_limits(database: Database) -> None:
    store = Store(database, Limits(strokes=3, points=7, events=2, drawings=2, sketches=1))
    me = author(store)
    mine = drawing(store, me)
    many = [stroke(f"s{n}") for n in range(4)]
    with pytest.raises(StudioError, match="at most 3 strokes"):
        store.append_events(me, mine, None, [event("e1", *many)])
    with pytest.raises(StudioError, match="at most 7 points"):
        long = NewStroke("long", "mouth", 0, LINE * 4)
        store.append_events(me, mine, None, [event("e1", long)])
    store.append_events(me, mine, None, [event("e1", many[0]), event("e2", many[1])])
    with pytest.raises(StudioError, match="at most 2 events"):
        store.append_events(me, mine, "e2", [event("e3", many[2])])
    store.save_sketch(me, str(uuid4()), mine, 1, "mine")
    with pytest.raises(StudioError, match="at most 1 are kept"):
        store.save_sketch(me, str(uuid4()), mine, 2, "mine")
    drawing(store, me)
    with pytest.raises(StudioError, match="at most 2 are kept"):
        drawing(store, me)
    assert store.drawing(me, mine).drawing.revision == 2


def test_the_store_finds_everything_again_after_a_restart(database: Database) -> None:
    store = Store(database)
    me, secret = store.authors.begin_session("Mei", "")
    mine = drawing(store, me.id, FACE)
    store.append_events(me.id, mine, "start", [event("e1", stroke("s1", order=0.123456789))])
    again = Store(Database(database.url.render_as_string(hide_password=False)))
    known = again.authors.author_of(secret, "")
    assert known is not None and known.id == me.id
    before, after = store.drawing(me.id, mine), again.drawing(me.id, mine)
    for kind in ("strokes", "events"):
        assert [
            {k: v for k, v in vars(row).items() if not k.startswith("_")}
            for row in getattr(before, kind)
        ] == [
            {k: v for k, v in vars(row).items() if not k.startswith("_")}
            for row in getattr(after, kind)
        ]
    again.database.close()


def test_what_is_stored_of_the_repository_s_sketches_has_their_pixels() -> None:
    for name in ("G1/013", "G2/005", "G7/003", "G11/019"):
        drawing = read_svg(Path(__file__).parents[2] / "sketches" / f"{name}.svg")
        stored = editable(drawing)
        assert stored is not None
        assert np.array_equal(rasterize(lines(stored)), rasterize(drawing))


def test_what_is_read_at_once_is_of_one_moment(store: Store) -> None:
    me = author(store)
    mine = drawing(store, me)
    store.append_events(me, mine, None, [event("e1", stroke("s1"))])

    def read(session: Session) -> list[int]:
        count = select(func.count()).select_from(Event).where(Event.drawing_id == mine)
        before = session.scalar(count)
        store.append_events(me, mine, "e1", [event("e2", stroke("s2"))])
        return [before or 0, session.scalar(count) or 0]

    assert store.database.read(read) == [1, 1]
    assert len(store.drawing(me, mine).events) == 2
