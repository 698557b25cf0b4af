"""What stands before the first byte: connections that ask for nothing keep nobody out."""

from asyncio import TimerHandle, Transport
from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

from h11 import Request
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class Patience:
    """How long a connection may take to ask for something, and how many may be about to.

    seconds: until its next request has come in whole, but for the body. each, all: connections
    without a request, of one address and altogether; a further one takes the place of the one that
    has been silent longest, and first of one that never had a request. open: connections of one
    address, also those with a request.
    """

    seconds: float = 20.0
    each: int = 100
    all: int = 400
    open: int = 500


def patient_protocol(patience: Patience) -> type[H11Protocol]:
    """HTTP as uvicorn speaks it, with bounds on connections that ask for nothing."""
    # In the order in which they began to wait.
    waiting: dict[H11Protocol, str] = {}
    open_ones: Counter[str] = Counter()

    class Patient(H11Protocol):
        _timer: TimerHandle | None = None
        _address: str | None = None

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            address = self.client[0] if self.client else ""
            if open_ones[address] >= patience.open:
                transport.abort()
                return
            self._address = address
            open_ones[address] += 1
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._leave()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()

        def handle_websocket_upgrade(self, event: Request) -> None:
            # From here on it is no longer ours; live connections have bounds of their own.
            self._leave()
            super().handle_websocket_upgrade(event)

        def on_response_complete(self) -> None:
            self._wait()
            super().on_response_complete()

        def _wait(self) -> None:
            self._stop_waiting()
            if self._address is None or self.transport.is_closing():
                return
            self._timer = self.loop.call_later(patience.seconds, self.transport.abort)
            waiting[self] = self._address
            same = [one for one, address in waiting.items() if address == self._address]
            if len(same) > patience.each or len(waiting) > patience.all:
                those = same if len(same) > patience.each else list(waiting)
                # Who has asked for something once is rather spared than who never has.
                oldest = next((one for one in those if one.cycle is None), those[0])
                cast(Any, oldest)._stop_waiting()
                oldest.transport.abort()

        def _stop_waiting(self) -> None:
            waiting.pop(self, None)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _leave(self) -> None:
            self._stop_waiting()
            if self._address is not None:
                open_ones[self._address] -= 1
                if not open_ones[self._address]:
                    del open_ones[self._address]
                self._address = None

    return Patient
