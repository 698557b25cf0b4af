"""Content that others wrote, checked against a typed description before anything uses it.

A description is a type: `dict[str, Any]`, or a dataclass whose fields are the keys that are known;
further keys are let through. What fits it needs no further care by whoever uses it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from featviz.base.errors import FeatvizError, one_line, reason

if TYPE_CHECKING:
    from pydantic import ValidationError

_Described = TypeVar("_Described")


def parse_json(text: str | bytes, description: type[_Described]) -> _Described:
    """What JSON text says, as its description has it, nothing converted ("1" is no number).

    Raises FeatvizError, naming the first place that is not as described, for text that is no JSON
    (NaN and infinity are none), nested too deep, or of another shape.
    """
    from pydantic import ValidationError
    from pydantic_core import from_json

    kind: Any = description
    try:
        # The adapter takes NaN for a number, and both take 1e999 for one.
        json.dumps(from_json(text, allow_inf_nan=False), allow_nan=False)
        described: _Described = _adapter(kind).validate_json(text, strict=True)
        return described
    except ValidationError as error:
        raise FeatvizError(_first_problem(error)) from None
    except ValueError as error:
        raise FeatvizError(f"no JSON: {one_line(error)}") from None


@cache
def _adapter(description: Any) -> Any:
    """What checks a description; it takes milliseconds to be made."""
    from pydantic import TypeAdapter

    return TypeAdapter(description)


def read_json(path: Path, description: type[_Described]) -> _Described:
    """What a file of JSON says; raises FeatvizError, naming the file, as `parse_json` does."""
    with told_of(path):
        return parse_json(path.read_bytes(), description)


@contextmanager
def parsing(problem: str) -> Iterator[None]:
    """Tell as a problem of the input whatever a library's parser raises over malformed bytes.

    There is no list of it: a reader of parquet or zip gives errors of twenty kinds.
    """
    try:
        yield
    except FeatvizError:
        raise
    except Exception as error:
        raise FeatvizError(f"{problem} ({reason(error)})") from None


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Put a file's name before what is wrong with it, and tell what the system says of it so."""
    try:
        yield
    except FeatvizError as error:
        raise FeatvizError(f"{path}: {error}") from None
    except OSError as error:
        raise FeatvizError(f"{path}: {error.strerror or one_line(error)}") from None


def _first_problem(error: "ValidationError") -> str:
    problem: Any = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    given = one_line(ValueError(repr(problem["input"])), 40)
    return f"{place or 'the whole'}: {problem['msg'][0].lower()}{problem['msg'][1:]}; got {given}"
