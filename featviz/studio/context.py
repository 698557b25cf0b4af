"""What all routes share: the running studio, whose request it is, and kinds of parameters."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Query, Response
from fastapi import Path as PathParameter
from starlette.requests import HTTPConnection

from featviz.sketches.drawing import CANVAS
from featviz.studio.gallery import MOST_PER_PAGE
from featviz.studio.guard import RateLimit
from featviz.studio.networks import Networks
from featviz.studio.problems import StudioError
from featviz.studio.rasters import Points, RasterCache, png
from featviz.studio.start_set import StartSet
from featviz.studio.store import Store
from featviz.studio.tables import ID_PATTERN, Author

FOREVER = {"cache-control": "private, max-age=86400, immutable"}
"""For pictures of what never changes."""

_KNOWN_SECONDS = 30.0


@dataclass
class Studio:
    """Everything a running server has.

    token: what a new session needs; "" for none. cookie: the name of the session's cookie.
    """

    store: Store
    networks: Networks
    starts: StartSet
    selected: tuple[str, ...]
    token: str = ""
    cookie: str = "featviz"
    rasters: RasterCache = field(default_factory=RasterCache)

    def __post_init__(self) -> None:
        self.requests = RateLimit(rate=100, burst=400)
        self.new_sessions = RateLimit(rate=2, burst=120)
        self.exports = RateLimit(rate=0.2, burst=5)
        self._known: OrderedDict[str, tuple[float, Author]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def database_name(self) -> str:
        """For people."""
        return self.store.database.name

    def author(self, connection: HTTPConnection) -> Author:
        """Whose request it is; raises StudioError "session" if nobody's."""
        secret = connection.cookies.get(self.cookie, "")
        if not secret or len(secret) > 100:
            raise StudioError("session", "begin a session first")
        with self._lock:
            known = self._known.get(secret)
        # A look into the database for each request would be slow, and none for long would let
        # a session live on that another server has ended.
        if known is None or time.monotonic() - known[0] > _KNOWN_SECONDS:
            author = self.store.authors.author_of(secret, self.token)
            if author is None:
                raise StudioError("session", "this session is not known here; begin another")
            known = (time.monotonic(), author)
            with self._lock:
                self._known[secret] = known
                while len(self._known) > 1000:
                    self._known.popitem(last=False)
        self.requests.take(known[1].id)
        return known[1]

    def forget(self, secret: str) -> None:
        """Look into the database at the next request."""
        with self._lock:
            self._known.pop(secret, None)


def _studio(connection: HTTPConnection) -> Studio:
    studio: Studio = connection.app.state.studio
    return studio


def current_author(connection: HTTPConnection) -> Author:
    """Whose request it is; raises StudioError without a session."""
    return _studio(connection).author(connection)


Here = Annotated[Studio, Depends(_studio)]
Current = Annotated[Author, Depends(current_author)]
"""Whose request it is; without a session the request is refused."""
Identifier = Annotated[str, PathParameter(pattern=ID_PATTERN)]
PictureSize = Annotated[int, Query(ge=32, le=CANVAS)]
Limit = Annotated[int, Query(ge=1, le=MOST_PER_PAGE)]
Cursor = Annotated[str | None, Query(max_length=400)]
Text = Annotated[str | None, Query(max_length=100)]


def picture_response(
    studio: Studio, strokes: Iterable[Points], size: int, headers: dict[str, str]
) -> Response:
    """Strokes as a PNG of `size` pixels a side."""
    data = png(studio.rasters.picture(strokes), size)
    return Response(data, media_type="image/png", headers=headers)


def storable(text: str | None) -> str | None:
    """A text without what no name can hold, and what a database may not take."""
    return text and "".join(character for character in text if character.isprintable())
