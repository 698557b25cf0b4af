"""U-Net, CRN and photos on the drawing page: each at its own size, kept where that can be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featviz.base.errors import FeatvizError
from featviz.generators.checkpoint_files import load_generator
from featviz.generators.generation import generate
from featviz.generators.networks.crn import CrnArchitecture
from featviz.generators.networks.generators import GeneratorArchitecture
from featviz.generators.networks.unet import UnetArchitecture
from featviz.retrieval.database import open_database
from featviz.retrieval.faces import Retriever
from featviz.sketches.drawing import Drawing, rasterize, read_svg
from featviz.studio.engine import Answer, Engine, FaceJob, Start, WantedFace
from featviz.studio.face_makers import (
    DrawnState,
    fitting_size,
    network_faces,
    shown_face,
    shown_reach,
)
from featviz.studio.networks import Networks
from featviz.studio.probe import Prober
from featviz.studio.problems import StudioError
from featviz.studio.rasters import RasterCache
from featviz.studio.start_set import open_start_set
from tests.studio.other_systems import SIZE, make_other_systems

Strokes = tuple[tuple[str, tuple[float, ...]], ...]

DRAWN = read_svg(Path(__file__).parents[2] / "sketches" / "G8" / "001.svg")


def strokes_of(drawing: Drawing) -> Strokes:
    return tuple((stroke.part, tuple(stroke.points.ravel())) for stroke in drawing.strokes)


BASE = strokes_of(DRAWN)
EDIT: Strokes = (*BASE, ("mouth", (210.0, 350.0, 290.0, 362.0)))
SCRIBBLE: Strokes = (("mouth", (20.0, 20.0, 490.0, 480.0, 30.0, 470.0, 480.0, 30.0, 20.0, 200.0)),)


@pytest.fixture(scope="module")
def sources(pairs, tmp_path_factory) -> list[Path]:
    return make_other_systems(tmp_path_factory.mktemp("systems"), pairs)


@pytest.fixture(scope="module")
def engine(sources: list[Path]) -> Engine:
    return Engine(Networks([str(source) for source in sources]), RasterCache())


def ask(engine: Engine, strokes: Strokes, *wanted: WantedFace) -> Answer:
    job = FaceJob(1, strokes, wanted, Start("start:0", BASE), True, False, 0.0, 0)
    return engine.answer(job)


@pytest.mark.parametrize("number", [0, 1])
def test_a_network_is_shown_the_drawing_at_the_size_it_was_trained_at(
    engine: Engine, sources: list[Path], number: int
) -> None:
    name = sources[number].stem
    face = engine.networks.generate(name, DrawnState(BASE, engine.rasters)).face
    network = load_generator(sources[number]).generator
    own, other = (generate(network, rasterize(DRAWN.scaled(size))) for size in (SIZE, 512))
    assert face.shape == (512, 512, 3)

    def alike(image: np.ndarray) -> float:
        smaller = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BOX)
        return float(np.corrcoef(np.ravel(smaller), own.ravel())[0, 1])

    # Enlarged and averaged again it is about the same; of a sketch at 512 it would be another.
    assert alike(face) > 0.9 > alike(other) + 0.1


@pytest.mark.parametrize("name", ["unet", "crn"])
def test_the_rest_is_kept_by_the_plain_definition_where_the_engine_knows_no_such_network(
    engine: Engine, name: str
) -> None:
    answer = ask(engine, EDIT, WantedFace(name), WantedFace(name, kept=True))
    assert answer.failed == ()
    free, kept = answer.faces
    assert free.difference is not None and kept.difference is not None
    assert (free.difference.beyond, kept.difference.beyond) == (None, 0)
    assert kept.reach is not None and (kept.difference.change.mean_inside or 0) > 0.5
    assert (free.difference.change.mean_outside or 0) > (kept.difference.change.mean_outside or 0)
    again = engine.kept.edit(name, (("a", BASE), ("b", EDIT)), EDIT)
    assert np.array_equal(again.face, again.base) and not again.reach.any()


def test_photos_make_the_face_of_the_named_parts_and_tell_what_has_no_match(
    engine: Engine, sources: list[Path]
) -> None:
    others = tuple(stroke for stroke in BASE if stroke[0] != "mouth")
    (face,) = ask(engine, others + SCRIBBLE, WantedFace("photos")).faces
    assert face.retrieved is not None and "mouth" in face.retrieved["unmatched"]
    assert face.difference is not None and (face.difference.change.mean_inside or 0) > 1
    expected = Retriever(open_database(sources[2]), 512)(DRAWN)
    unmatched = [part for part, match in expected.matches.items() if match.state == "no match"]
    made = engine.networks.generate("photos", DrawnState(BASE, engine.rasters))
    assert np.array_equal(made.face, expected.image)
    assert made.retrieved == {"drawn": True, "unmatched": unmatched}
    nothing = engine.networks.generate("photos", DrawnState((), engine.rasters))
    assert nothing.retrieved == {"drawn": False, "unmatched": []} and nothing.face.min() == 255


def test_what_photos_cannot_do_is_refused_in_one_line(
    engine: Engine, small_set: Path, sources: list[Path]
) -> None:
    (failed,) = ask(engine, EDIT, WantedFace("photos", kept=True)).failed
    assert failed == (
        WantedFace("photos", kept=True),
        "'photos' is a data base of photos, which has no maps to keep",
    )
    prober = Prober(engine.networks, open_start_set(small_set))
    with pytest.raises(StudioError, match="'photos' is a data base of photos and no network"):
        prober.describe("photos", (170, 250), "L0")
    prober.close()
    with pytest.raises(FeatvizError, match="two of what the page is to offer are called 'crn'"):
        database = sources[2].rename(sources[2].with_name("crn"))
        try:
            Networks([str(sources[1]), str(database)])
        finally:
            database.rename(sources[2])


@pytest.mark.parametrize(
    ("trained", "architecture", "expected"),
    [
        (512, GeneratorArchitecture(), 512),
        (500, GeneratorArchitecture(), 512),
        (256, UnetArchitecture(levels=8), 256),
        (512, UnetArchitecture(levels=10), 1024),
        (64, CrnArchitecture(levels=7), 128),
        (320, CrnArchitecture(levels=7), 320),
    ],
)
def test_sketches_are_as_large_as_a_network_takes_them(trained, architecture, expected) -> None:
    size = fitting_size(trained, architecture)
    assert size == expected
    assert size % architecture.size_multiple == 0 and size >= architecture.least_size


@pytest.mark.parametrize("size", [64, 192, 1024])
def test_what_may_differ_in_an_enlarged_face_covers_what_does(size: int, rng) -> None:
    before = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    reach = np.zeros((size, size), bool)
    reach[size // 3 : size // 2, size // 4] = True
    after = np.where(reach[..., None], 255 - before, before)
    differs = (shown_face(before) != shown_face(after)).any(axis=2)
    assert differs.any() and not (differs & ~shown_reach(reach)).any()
    assert shown_reach(reach).mean() < 0.1 + 3 * reach.mean()


def test_faces_are_those_of_generate_where_bfloat16_does_not_pay(monkeypatch, make):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    generator = make()
    face = network_faces(generator, 512)(DrawnState(BASE, RasterCache())).face.astype(int)
    assert np.abs(face - generate(generator, rasterize(DRAWN))).max() <= 1
