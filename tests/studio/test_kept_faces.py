"""Faces that keep the rest: chains of bases give the same pixels whenever they are asked for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from featviz.base.errors import FeatvizError
from featviz.sketches.drawing import read_svg
from featviz.studio.engine import Answer, Engine, FaceJob, Start, WantedFace
from featviz.studio.kept_faces import KeptFaces
from featviz.studio.networks import Networks
from featviz.studio.rasters import RasterCache
from tests.studio.conftest import small_checkpoint

Strokes = tuple[tuple[str, tuple[float, ...]], ...]

BASE: Strokes = tuple(
    (stroke.part, tuple(stroke.points.ravel()))
    for stroke in read_svg(Path(__file__).parents[2] / "sketches" / "G8" / "001.svg").strokes
)
MOUTH: Strokes = (*BASE, ("mouth", (210.0, 350.0, 290.0, 362.0)))
BROW: Strokes = (*MOUTH, ("left-eyebrow", (130.0, 190.0, 200.0, 186.0)))
NOSE: Strokes = (*BROW, ("nose", (250.0, 250.0, 262.0, 300.0)))


@pytest.fixture(scope="module")
def networks(checkpoints: tuple[Path, Path]) -> Networks:
    return Networks([str(path) for path in checkpoints])


@pytest.fixture
def engine(networks: Networks) -> Iterator[Engine]:
    yield Engine(networks, RasterCache())


def start(*bases: Strokes) -> Start:
    return Start("start:0", BASE, bases)


def ask(engine: Engine, strokes: Strokes, start: Start | None, *names: str) -> Answer:
    wanted = tuple(WantedFace(name.split()[-1], name.startswith("kept ")) for name in names)
    return engine.answer(FaceJob(1, strokes, wanted, start, True, False, 0.0, 0))


def pixels(faces: KeptFaces, strokes: Strokes, start: Start) -> bytes:
    return faces.edit("small", start.chain, strokes).face.tobytes()


def test_a_chain_of_bases_gives_the_same_pixels_whether_they_are_remembered_or_not(
    networks: Networks,
) -> None:
    faces = KeptFaces(networks, RasterCache())
    first = [
        pixels(faces, MOUTH, start()),
        pixels(faces, MOUTH, start(MOUTH)),
        pixels(faces, BROW, start(MOUTH)),
        pixels(faces, NOSE, start(MOUTH, BROW)),
    ]
    # A new base is the face as it was shown, and later edits tell one chain from the other.
    assert first[0] == first[1]
    assert pixels(faces, NOSE, start()) != first[3]
    # Back, and from nothing.
    assert pixels(faces, BROW, start(MOUTH)) == first[2]
    assert pixels(faces, MOUTH, start()) == first[0]
    fresh = KeptFaces(networks, RasterCache())
    assert pixels(fresh, NOSE, start(MOUTH, BROW)) == first[3]


def test_bases_take_no_more_memory_than_they_may_and_are_made_again(networks: Networks) -> None:
    roomy = KeptFaces(networks, RasterCache())
    expected = pixels(roomy, NOSE, start(MOUTH, BROW))
    one = roomy.nbytes // 3
    assert one > 1_000_000
    tight = KeptFaces(networks, RasterCache(), most_bytes=2 * one + one // 2)
    for _ in range(2):
        assert pixels(tight, NOSE, start(MOUTH, BROW)) == expected
        assert one <= tight.nbytes <= tight.most_bytes
        assert pixels(tight, BROW, start()) == pixels(roomy, BROW, start())
        assert tight.nbytes <= tight.most_bytes
    # What does not fit at all works too: nothing but the one in use is kept.
    none = KeptFaces(networks, RasterCache(), most_bytes=0)
    assert pixels(none, NOSE, start(MOUTH, BROW)) == expected
    assert none.nbytes <= one * 1.01


def test_a_checkpoint_that_is_another_one_when_it_is_loaded_again_has_bases_of_its_own(
    tmp_path: Path,
) -> None:
    path = small_checkpoint(tmp_path / "small.safetensors")
    faces = KeptFaces(Networks([str(path)]), RasterCache())
    before = pixels(faces, MOUTH, start())
    small_checkpoint(path, seed=5)
    assert pixels(faces, MOUTH, start()) == before
    faces.networks._editors.clear()
    after = pixels(faces, MOUTH, start())
    assert after == pixels(KeptFaces(Networks([str(path)]), RasterCache()), MOUTH, start())
    assert after != before


def test_a_kept_face_leaves_what_lies_outside_of_its_reach_and_tells_so(engine: Engine) -> None:
    answer = ask(engine, MOUTH, start(), "small", "kept small")
    free, kept = answer.faces
    assert answer.failed == ()
    assert (free.wanted.kept, kept.wanted.kept) == (False, True)
    assert free.reach is None and kept.reach
    assert free.difference is not None and kept.difference is not None
    inside, outside = kept.difference.change.mean_inside, kept.difference.change.mean_outside
    assert inside is not None and outside is not None and inside > 1
    assert outside < (free.difference.change.mean_outside or 0) / 10
    assert free.difference.beyond is None and kept.difference.beyond == 0
    # What differs lies in the box that is sent, and the box in the reach.
    corners = np.concatenate([np.reshape(border, (-1, 2)) for border in kept.reach])
    left, top, right, bottom = kept.difference.box
    assert np.all(corners.min(axis=0) <= (left, top))
    assert np.all(corners.max(axis=0) >= (right - 1, bottom - 1))
    assert (right - left) * (bottom - top) < 512 * 512 / 4


def test_the_start_sketch_itself_keeps_everything_and_differs_nowhere(engine: Engine) -> None:
    (kept,) = ask(engine, BASE, start(), "kept small").faces
    assert kept.difference is not None
    assert kept.difference.change.outside is None and kept.difference.change.mean_outside == 0
    assert kept.reach is None and not kept.whole


def test_an_edit_of_the_whole_sheet_says_that_it_was_computed_as_a_whole(engine: Engine) -> None:
    lines = tuple(("hair", (4.0, y, 508.0, y + 2)) for y in range(4, 508, 24))
    (kept,) = ask(engine, (*BASE, *lines), start(), "kept small").faces
    assert kept.whole


def test_after_a_new_base_both_ways_are_compared_with_it(engine: Engine) -> None:
    answer = ask(engine, BROW, start(MOUTH), "small", "kept small")
    # Only the brow is an edit now.
    assert answer.edited is not None and answer.edited["parts"] == ("left-eyebrow",)
    for face in ask(engine, MOUTH, start(MOUTH), "small", "kept small").faces:
        assert face.difference is not None and face.difference.change.outside is None


def test_only_the_faces_that_are_asked_for_are_computed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(engine, MOUTH, start(), "kept small")

    def refuse(*_: object) -> None:
        raise AssertionError("a free face was computed")

    monkeypatch.setattr(engine.networks, "generate", refuse)
    assert len(ask(engine, BROW, start(), "kept small").faces) == 1


def test_what_cannot_be_kept_is_one_line_and_stops_no_other_face(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ask(engine, MOUTH, None, "small", "kept small")
    assert [face.wanted.kept for face in answer.faces] == [False]
    ((wanted, message),) = answer.failed
    assert wanted == WantedFace("small", True) and "start sketch" in message

    def broken(*_: object, **__: object) -> None:
        raise FeatvizError("the face holds NaN or infinity")

    monkeypatch.setattr(engine.networks.editor("plain"), "edit", broken)
    answer = ask(engine, MOUTH, start(), "kept plain", "kept small")
    assert [face.wanted.checkpoint for face in answer.faces] == ["small"]
    assert answer.failed == (
        (WantedFace("plain", True), "checkpoint 'plain': the face holds NaN or infinity"),
    )
