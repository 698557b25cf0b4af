"""What may go wrong between page, server and database: a code for the page, a line for people."""

from typing import Any

from featviz.base.errors import FeatvizError

_STATUS = {
    "bad-request": 400,
    "session": 401,
    "token": 401,
    "forbidden": 403,
    "not-found": 404,
    "method": 405,
    "slow": 408,
    "conflict": 409,
    "exists": 409,
    "deleted": 409,
    "empty": 409,
    "too-large": 413,
    "host": 421,
    "checkpoint": 422,
    "too-many": 429,
    "internal": 500,
    "busy": 503,
    "full": 507,
}
"""The HTTP status of each code."""


class StudioError(FeatvizError):
    """An error that the page is told of.

    code: one of _STATUS. details: further keys for the page, such as the drawing's last event.
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS[self.code]

    def document(self) -> dict[str, Any]:
        """What the page gets."""
        return {"code": self.code, "message": str(self), **self.details}
