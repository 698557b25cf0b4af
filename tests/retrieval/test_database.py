import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from featviz.base.errors import FeatvizError
from featviz.faces.pairs import write_pairs
from featviz.retrieval import database as module
from featviz.retrieval import search
from featviz.retrieval.database import build_database, open_database
from featviz.retrieval.drawn_parts import parts_by_name
from featviz.retrieval.search import Searcher
from featviz.retrieval.shapes import (
    SEARCHED_PARTS,
    distance_maps,
    frame_of,
    normalised,
    of_landmarks,
)


def test_descriptors_are_principal_components_of_maps_and_colours_those_around_parts(database):
    assert len(database) == len(database.pairs) and isinstance(database.descriptors, np.memmap)
    for number, part in enumerate(SEARCHED_PARTS):
        points = of_landmarks(database.landmarks, part)
        maps = distance_maps(normalised(points, frame_of(points)))
        wanted = PCA(len(database), svd_solver="full").fit_transform(maps)
        found = database.descriptors[number]
        # Directions have either sign.
        np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=1e-3, err_msg=part)
        assert database.described(part, normalised(points, frame_of(points))[1]) == pytest.approx(
            found[1], abs=1e-4
        )
    # The outline: from ear to ear below the chin, 14 px outside of the middles of its eighths.
    photo = database.pairs.photo(0)
    points = of_landmarks(database.landmarks, SEARCHED_PARTS[0])[0]
    away = points - points.mean(axis=0)
    outside = points + 14 * away / np.linalg.norm(away, axis=1, keepdims=True)
    at = np.rint((outside + 0.5) * (len(photo) / 512) - 0.5).astype(int).clip(0, len(photo) - 1)
    seen = [photo[y, x].astype(float) for x, y in at]
    wanted = [np.mean(seen[first : first + 8], axis=0) for first in range(0, 64, 8)]
    np.testing.assert_allclose(database.colours[0, 0].reshape(8, 3), wanted, rtol=1e-5)


def test_a_build_that_was_stopped_goes_on_and_gives_the_same(
    faces, database, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_CHUNK", 2)
    done, described = [], module._described

    def stopping(*given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(given[-1])
        return described(*given)

    monkeypatch.setattr(module, "_described", stopping)
    with pytest.raises(KeyboardInterrupt):
        build_database(faces, tmp_path)
    with pytest.raises(FeatvizError, match="is not finished"):
        open_database(tmp_path)
    rest = []
    monkeypatch.setattr(module, "_described", lambda *given: rest.append(1) or described(*given))
    found, is_new = build_database(faces, tmp_path)
    assert is_new and len(rest) == -(-len(database) // 2) - 2
    for name in ("descriptors", "colours", "landmarks", "bases"):
        # Of two faces at a time matrix products round otherwise.
        np.testing.assert_allclose(getattr(found, name), getattr(database, name), atol=1e-6)
    assert not build_database(faces, tmp_path)[1]
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}


def test_folders_that_are_no_data_base_of_these_faces_are_refused_in_a_line(
    faces, database, tmp_path
):
    with pytest.raises(FeatvizError, match="is no data base; `featviz retrieve build"):
        open_database(tmp_path)
    alone = replace(faces, splits=("train", *("test",) * (len(faces) - 1)))
    with pytest.raises(FeatvizError, match="has 1 photos in its training split"):
        build_database(alone, tmp_path / "alone")
    fewer = replace(faces, splits=("test", "test", *("train",) * (len(faces) - 2)))
    with pytest.raises(FeatvizError, match="holds a data base of other faces"):
        build_database(fewer, database.folder)
    copy = tmp_path / "copy"
    shutil.copytree(database.folder, copy)
    other = tmp_path / "faces"
    other.mkdir()
    write_pairs(replace(fewer, folder=other))
    with pytest.raises(FeatvizError, match="was built from other faces than those of"):
        open_database(copy, other)
    with pytest.raises(FeatvizError, match=r"the photos of .* are not there: .*; or --photos"):
        open_database(copy, tmp_path / "nowhere")
    np.save(copy / "colours.npy", np.zeros((2, 2)))
    with pytest.raises(FeatvizError, match=r"colours.npy: float64 of shape \(2, 2\); expected"):
        open_database(copy)
    (copy / "colours.npy").write_bytes(b"nothing")
    with pytest.raises(FeatvizError, match=r"colours\.npy: not an array of a data base"):
        open_database(copy)
    told = json.loads((copy / "database.json").read_text())
    for format_, match in ((99, "of format 99; this version of featviz reads 1"), (1, "faces")):
        (copy / "database.json").write_text(json.dumps({**told, "format": format_, "faces": "1"}))
        with pytest.raises(FeatvizError, match=match):
            open_database(copy)


def test_many_faces_are_searched_by_an_index_that_finds_the_same(
    faces, database, tmp_path, monkeypatch
):
    drawn = parts_by_name(faces.contour(0))
    exact = Searcher(database).find_all(drawn)
    for where in (module, search):
        monkeypatch.setattr(where, "MANY", 2)
    many, _ = build_database(faces, tmp_path)
    found = Searcher(many).find_all(drawn)
    assert {part: each.face for part, each in found.items()} == {
        part: each.face for part, each in exact.items()
    }
    (tmp_path / "nose.faiss").write_bytes((tmp_path / "mouth.faiss").read_bytes()[:100])
    with pytest.raises(FeatvizError, match=r"nose\.faiss: not an index of faiss"):
        Searcher(many).find_all(drawn)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FeatvizError, match=r"pip install 'featviz\[retrieval\]'"):
        Searcher(many).find_all(drawn)
