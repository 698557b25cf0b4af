"""The live connection: drawings come in as fast as they may, the newest one is answered."""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from featviz.base.errors import FeatvizError
from featviz.base.provenance import VERSION
from featviz.studio.engine import Answer, Engine, FaceJob, Start, WantedFace, frame
from featviz.studio.guard import RateLimit
from featviz.studio.live_messages import (
    DrawMessage,
    Failure,
    Hello,
    LiveStroke,
    Loading,
    Outgoing,
    Ping,
    Pong,
    ProbeLive,
    ProbeMap,
    ProbeMessage,
    ProbeProgress,
    SettingsMessage,
    live_message,
)
from featviz.studio.messages import MESSAGE_BYTES, SketchReference, StartReference
from featviz.studio.probe import Prober
from featviz.studio.problems import StudioError
from featviz.studio.rasters import Points

_log = logging.getLogger("featviz.studio")

_T = TypeVar("_T")

_CONNECTIONS = 200
_CONNECTIONS_EACH = 8
_MALFORMED = 50
_PROGRESS_SECONDS = 0.25
_FALLBACK = SettingsMessage(
    type="settings", checkpoints=[], start=None, difference=False, raster=False, probe=None
)


@dataclass
class Wanted:
    """What a connection wants answered next: the newest settings and drawing, nothing older."""

    settings: SettingsMessage = _FALLBACK
    start: Start | None = None
    draw: DrawMessage | None = None
    arrived: float = 0.0
    skipped: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, draw: DrawMessage) -> None:
        """A newer drawing takes the place of one that is not answered yet."""
        if self.changed.is_set() and self.draw is not None:
            self.skipped += 1
        self.draw, self.arrived = draw, time.perf_counter()
        self.changed.set()

    def take(self) -> FaceJob | None:
        """The job of the moment, if there is a drawing."""
        self.changed.clear()
        if self.draw is None:
            return None
        skipped, self.skipped = self.skipped, 0
        return FaceJob(
            seq=self.draw.seq,
            strokes=_strokes(self.draw.strokes),
            wanted=_wanted(self.settings),
            start=self.start,
            difference=self.settings.difference,
            raster=self.settings.raster,
            arrived=self.arrived,
            skipped=skipped,
            correct={part: amount for part, amount in self.settings.correct.items() if amount},
        )


def _strokes(strokes: Iterable[LiveStroke]) -> tuple[tuple[str, Points], ...]:
    return tuple((stroke.part, tuple(stroke.points)) for stroke in strokes)


def _wanted(settings: SettingsMessage) -> tuple[WantedFace, ...]:
    kept = settings.kept or [False] * len(settings.checkpoints)
    return tuple(dict.fromkeys(map(WantedFace, settings.checkpoints, kept)))


class LiveServer:
    """All live connections, and the one thread that works for them in turn.

    start_of: a reference to a start sketch -> its strokes; may be slow and raise StudioError.
    """

    def __init__(
        self,
        engine: Engine,
        prober: Prober,
        start_of: Callable[[StartReference | SketchReference], Start],
    ) -> None:
        self.engine, self.prober, self.start_of = engine, prober, start_of
        self.connections: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="faces")
        # First come, first served: with several people each waits for one answer of the others.
        self.turn = asyncio.Lock()

    def close(self) -> None:
        """Stop working."""
        self.prober.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def serve(self, socket: WebSocket, author_id: str) -> None:
        """Serve one connection until it ends."""
        if self.connections.total() >= _CONNECTIONS or (
            self.connections[author_id] >= _CONNECTIONS_EACH
        ):
            await socket.accept()
            await socket.close(1008, "too many connections")
            return
        self.connections[author_id] += 1
        try:
            await socket.accept()
            await _Connection(self, socket).run()
        finally:
            self.connections[author_id] -= 1
            self.connections += Counter()

    async def work(self, function: Callable[[], _T]) -> _T:
        """Run something on the one thread, while no probe computes."""

        def alone() -> _T:
            with self.prober.computing:
                return function()

        with self.prober.paused():
            return await asyncio.get_running_loop().run_in_executor(self._thread, alone)


class _Connection:
    def __init__(self, server: LiveServer, socket: WebSocket) -> None:
        self.server, self.socket = server, socket
        self.wanted = Wanted()
        self._sending = asyncio.Lock()
        self._limit = RateLimit(rate=200, burst=600)
        self._malformed = 0
        self._mapping: asyncio.Task[None] | None = None
        self._probed: ProbeMessage | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        names = list(self.server.engine.networks.generating)
        answering = asyncio.create_task(self._answer())
        try:
            await self._send(Hello(type="hello", version=VERSION, checkpoints=names))
            await self._listen()
        except (WebSocketDisconnect, ConnectionError, RuntimeError):
            # RuntimeError: Starlette's word for a connection that ended while we sent.
            pass
        finally:
            for task in (answering, self._mapping):
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, Exception):
                        await task

    async def _listen(self) -> None:
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            try:
                self._limit.take("")
            except StudioError:
                await self.socket.close(1008, "too many messages")
                return
            try:
                if text is None:
                    raise StudioError("bad-request", "expected text, not bytes")
                if len(text) > MESSAGE_BYTES:
                    raise StudioError("too-large", f"a message has at most {MESSAGE_BYTES} bytes")
                await self._handle(live_message(text))
            except FeatvizError as error:
                self._malformed += 1
                await self._error(_as_studio(error), None)
                if self._malformed > _MALFORMED:
                    await self.socket.close(1008, "too many malformed messages")
                    return

    async def _handle(self, message: SettingsMessage | DrawMessage | Ping) -> None:
        if isinstance(message, Ping):
            await self._send(Pong(type="pong", t=message.t))
        elif isinstance(message, DrawMessage):
            self.wanted.put(message)
        else:
            await self._set(message)

    async def _set(self, settings: SettingsMessage) -> None:
        networks = self.server.engine.networks
        for wanted in _wanted(settings):
            networks.require(wanted.checkpoint, wanted.kept)
        start = None
        if settings.start is not None:
            start = await asyncio.to_thread(self.server.start_of, settings.start)
            bases = tuple(_strokes(strokes) for strokes in settings.bases)
            start = replace(start, bases=bases)
        self.wanted.settings, self.wanted.start = settings, start
        self.wanted.arrived = time.perf_counter()
        self.wanted.changed.set()
        self._probe(settings.probe)

    # Answers

    async def _answer(self) -> None:
        while True:
            await self.wanted.changed.wait()
            seq = None
            try:
                async with self.server.turn:
                    # Only now: while waiting for our turn newer ones may have come.
                    job = self.wanted.take()
                    if job is None:
                        continue
                    seq = job.seq
                    settings = self.wanted.settings
                    answer = await self.server.work(partial(self._compute, job))
                # A slow reader must not keep the others waiting.
                await self._deliver(answer)
                if settings.probe is not None:
                    await self._show_probe(settings.probe, answer.job)
            except (WebSocketDisconnect, ConnectionError, RuntimeError):
                if self.socket.client_state.name != "CONNECTED":
                    return
                _log.exception("an answer failed")
            except FeatvizError as error:
                await self._error(_as_studio(error), seq)
            except Exception:
                _log.exception("an answer failed")
                await self._error(StudioError("internal", "the server made a mistake"), seq)

    def _compute(self, job: FaceJob) -> Answer:
        def loading(wanted: WantedFace) -> None:
            message = Loading(type="loading", checkpoint=wanted.checkpoint, kept=wanted.kept)
            asyncio.run_coroutine_threadsafe(self._send(message), self._loop)

        return self.server.engine.answer(job, loading)

    async def _deliver(self, answer: Answer) -> None:
        header, pictures = frame(answer)
        # The time until it is handed to the network, encoding of this very header excepted.
        header["ms"]["total"] = round(1000 * (time.perf_counter() - answer.job.arrived), 1)
        data = json.dumps(header, separators=(",", ":")).encode()
        await self._send_bytes(b"".join([len(data).to_bytes(4, "big"), data, *pictures]))
        for wanted, message in answer.failed:
            await self._send(
                Failure(
                    type="error",
                    seq=answer.job.seq,
                    code="checkpoint",
                    message=message,
                    checkpoint=wanted.checkpoint,
                    kept=wanted.kept,
                )
            )

    # Probes

    def _probe(self, probe: ProbeMessage | None) -> None:
        if self._mapping is not None:
            if probe == self._probed and not self._mapping.done():
                # Other settings changed; what is half computed goes on.
                return
            self._mapping.cancel()
        self._probed = probe
        self._mapping = None if probe is None else asyncio.create_task(self._map(probe))

    async def _map(self, probe: ProbeMessage) -> None:
        """Tell the receptive fields, then how far the groups' vectors are, then their map."""
        prober = self.server.prober
        (x, y), name, layer = probe.point, probe.checkpoint, probe.layer
        try:
            prober.networks.choice(name)
            await self._send(await asyncio.to_thread(prober.describe, name, (x, y), layer))
            if len(prober.starts) == 0:
                raise StudioError("not-found", prober.starts.message)
            with prober.extraction(name, (x, y)) as extraction:
                future = asyncio.wrap_future(extraction.future)
                # Nobody may be left to ask how it ended.
                future.add_done_callback(lambda done: done.cancelled() or done.exception())
                told = -1
                while not future.done():
                    if told != extraction.done:
                        told = extraction.done
                        await self._send(
                            ProbeProgress(
                                type="probe_progress",
                                point=(x, y),
                                checkpoint=name,
                                done=told,
                                total=extraction.total,
                            )
                        )
                    await asyncio.wait({future}, timeout=_PROGRESS_SECONDS)
                future.result()
                await self._send(await asyncio.to_thread(self._map_message, probe))
            # The drawing's own place in the map comes with the next answer.
            self.wanted.changed.set()
        except FeatvizError as error:
            await self._error(_as_studio(error), None)
        except (WebSocketDisconnect, ConnectionError, RuntimeError):
            pass
        except Exception:
            _log.exception("a probe failed")
            await self._error(StudioError("internal", "the server made a mistake"), None)

    def _map_message(self, probe: ProbeMessage) -> ProbeMap:
        prober = self.server.prober
        (x, y), name, layer = probe.point, probe.checkpoint, probe.layer
        shown = prober.map(name, (x, y), layer)
        groups = list(prober.starts.groups)
        numbers = [groups.index(group) for group in prober.starts.sketch_groups]
        return ProbeMap(
            type="probe_map",
            point=(x, y),
            checkpoint=name,
            layer=layer,
            explained=[round(float(r), 4) for r in shown.projection.explained_variance_ratio],
            groups=groups,
            points=[
                (_short(px), _short(py), group, number)
                for number, ((px, py), group) in enumerate(
                    zip(shown.coordinates, numbers, strict=True)
                )
            ],
            distinct=shown.distinct,
        )

    async def _show_probe(self, probe: ProbeMessage, job: FaceJob) -> None:
        (x, y), name, layer = probe.point, probe.checkpoint, probe.layer

        def project() -> list[float] | None:
            picture = self.server.engine.rasters.picture(points for _, points in job.strokes)
            return self.server.prober.live(name, (x, y), layer, picture)

        async with self.server.turn:
            place = await self.server.work(project)
        if place is not None:
            await self._send(
                ProbeLive(
                    type="probe_live",
                    seq=job.seq,
                    point=(x, y),
                    checkpoint=name,
                    layer=layer,
                    xy=[_short(value) for value in place],
                )
            )

    # Sending

    async def _send(self, message: Outgoing) -> None:
        async with self._sending:
            await self.socket.send_text(json.dumps(message, separators=(",", ":")))

    async def _send_bytes(self, data: bytes) -> None:
        async with self._sending:
            await self.socket.send_bytes(data)

    async def _error(self, error: StudioError, seq: int | None) -> None:
        await self._send(Failure(type="error", seq=seq, code=error.code, message=str(error)))


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _as_studio(error: FeatvizError) -> StudioError:
    return error if isinstance(error, StudioError) else StudioError("bad-request", str(error))
