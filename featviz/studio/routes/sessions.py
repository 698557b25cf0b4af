"""Who draws."""

import secrets
from typing import Any

from fastapi import APIRouter, Request, Response

from featviz.studio import documents, messages
from featviz.studio.context import Here, Studio
from featviz.studio.problems import StudioError
from featviz.studio.tables import Author

routes = APIRouter()

_YEAR = 365 * 24 * 3600


@routes.get("/api/session")
def get_session(studio: Here, request: Request) -> dict[str, Any]:
    """Who one is, if anybody."""
    try:
        author = studio.author(request)
    except StudioError as error:
        if error.code != "session":
            raise
        author = None
    return documents.session_document(author, bool(studio.token))


@routes.post("/api/session")
def begin_session(
    studio: Here, request: Request, response: Response, wanted: messages.SessionRequest
) -> dict[str, Any]:
    """Begin a session, or rename its author; the answer sets the cookie."""
    studio.new_sessions.take(_address(request))
    secret = request.cookies.get(studio.cookie, "")
    try:
        author = studio.author(request)
    except StudioError as error:
        if error.code != "session":
            raise
        given = (wanted.token or "").encode("utf-8", "surrogatepass")
        if studio.token and not secrets.compare_digest(given, studio.token.encode()):
            raise StudioError("token", "the token is missing or wrong") from None
        author, secret = _begin(studio, secret, wanted.nickname)
    else:
        if wanted.nickname is not None:
            author = studio.store.authors.rename(author.id, wanted.nickname)
            studio.forget(secret)
    response.set_cookie(
        studio.cookie,
        secret,
        max_age=_YEAR,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return documents.session_document(author, bool(studio.token))


def _begin(studio: Studio, secret: str, nickname: str | None) -> tuple[Author, str]:
    """A new author, or whose cookie it is if only the server's token is another one by now."""
    known = (
        studio.store.authors.renew_session(secret, studio.token) if 0 < len(secret) <= 100 else None
    )
    if known is None:
        return studio.store.authors.begin_session(nickname or "anonymous", studio.token)
    return (known if nickname is None else studio.store.authors.rename(known.id, nickname)), secret


@routes.delete("/api/session")
def end_session(studio: Here, request: Request, response: Response) -> dict[str, Any]:
    """End the session for good: its drawings belong to nobody who could change them."""
    studio.new_sessions.take(_address(request))
    secret = request.cookies.get(studio.cookie, "")
    studio.store.authors.end_session(secret)
    studio.forget(secret)
    response.delete_cookie(studio.cookie, httponly=True, samesite="strict")
    return documents.session_document(None, bool(studio.token))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
