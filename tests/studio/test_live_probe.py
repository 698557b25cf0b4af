"""The probe of a live connection: maps of vectors beside what is drawn."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featviz.extraction import extract
from featviz.generators.checkpoint_files import load_generator
from featviz.sketches.sketch_set import read_sketches
from featviz.studio.probe import Extraction, Prober
from tests.studio.serving import Serving
from tests.studio.talking import drawing, settings, show, told


def test_a_probe_shows_receptive_fields_the_groups_and_the_drawing_among_them(
    server: Serving, checkpoints: tuple[Path, Path], small_set: Path
) -> None:
    probe = {"point": [170, 250], "layer": "L2", "checkpoint": "small"}
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(probe=probe))
        described = told(socket, "probe")
        boxes = {layer["layer"]: layer["box"] for layer in described["layers"]}
        # The study's receptive fields, as docs/extraction.md has them.
        assert boxes["L0"] == [167, 247, 173, 253] and boxes["L4"] == [158, 238, 194, 274]
        progress = told(socket, "probe_progress")
        assert progress["total"] == 6
        shown = told(socket, "probe_map")
        assert shown["groups"] == ["G1", "G8"]
        assert [point[2:] for point in shown["points"]] == [
            [0, 0],
            [0, 1],
            [0, 2],
            [1, 3],
            [1, 4],
            [1, 5],
        ]
        for number in (0, 4):
            socket.send(show(number, drawing(client, number)))
            live = told(socket, "probe_live")
            assert live["seq"] == number
            assert live["xy"] == pytest.approx(shown["points"][number][:2], rel=1e-3, abs=1e-4)
        # Another layer of the same point needs no new vectors.
        socket.send(settings(probe={**probe, "layer": "L0"}))
        progress = told(socket, "probe_progress")
        assert progress["done"] == progress["total"]
        assert told(socket, "probe_map")["layer"] == "L0"
        socket.send(settings(probe={**probe, "layer": "L9"}))
        assert "L0, L1, L2, L3, L4" in told(socket, "error")["message"]
    table = extract(
        load_generator(checkpoints[0]).generator,
        read_sketches(small_set),
        [(170, 250)],
        ["L2"],
    )
    vectors = table.vectors["L2"].astype(float)
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    places = np.array([point[:2] for point in shown["points"]])
    shown_distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert (shown_distances <= distances * (1 + 1e-4) + 1e-5).all()
    assert shown["distinct"] == len(np.unique(vectors, axis=0))


def test_other_settings_do_not_begin_a_probe_anew(
    start_server: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on, require_wanted = threading.Event(), Prober._require_wanted

    def held(prober: Prober, key: Any, extraction: Extraction) -> None:
        # The vectors are not all there before the other settings are.
        if extraction.done == 3:
            going_on.wait(300)
        require_wanted(prober, key, extraction)

    monkeypatch.setattr(Prober, "_require_wanted", held)
    probe = {"point": [170, 250], "layer": "L2", "checkpoint": "small"}
    server = start_server()
    with server.client() as client, server.live(client) as socket:
        socket.send(settings(probe=probe))
        assert told(socket, "probe_progress")["done"] <= 3
        socket.send(settings(probe=probe, raster=True))
        socket.send('{"type": "ping", "t": "both are heard"}')
        kinds, done = [], 0
        while "probe_map" not in kinds:
            message = json.loads(socket.recv(timeout=300))
            kinds.append(message["type"])
            if message["type"] == "pong":
                going_on.set()
            if message["type"] == "probe_progress":
                assert message["done"] >= done
                done = message["done"]
        # The receptive fields were told once, before, and so is the map.
        assert "probe" not in kinds
