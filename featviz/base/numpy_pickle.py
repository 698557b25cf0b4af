"""Pickles of NumPy arrays, turned into safetensors once."""

import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from featviz.base.errors import FeatvizError, one_line, reason

# What NumPy itself calls to rebuild a pickled array; its address differs between versions.
_RECONSTRUCT = np.empty(0).__reduce__()[0]

_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def convert_numpy_pickle(source: Path, target: Path) -> None:
    """Write the arrays of a pickled, nested dictionary as safetensors, named `outer/inner/name`.

    Only arrays, as protocols 3 and 4 hold them, are unpickled: anything else that the file names
    is refused before it runs. Raises FeatvizError for such a file and for other content.
    """
    try:
        with Path(source).open("rb") as file:
            content = _ArrayUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise FeatvizError(f"{source}: not a pickle of arrays ({one_line(error)})") from None
    save_file(dict(_arrays(content, "", source)), target)


def digest_of_arrays(path: Path) -> str:
    """sha256 over the names, types, shapes and values in a safetensors file, as hex digits.

    The same in whatever order and with whatever header a version of safetensors writes them.
    Raises FeatvizError if the file is none.
    """
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise FeatvizError(f"{path}: not readable ({reason(error)})") from None
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no array")
        return _ALLOWED[module, name]


def _arrays(content: Any, name: str, source: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(content, np.ndarray) and content.dtype != object:
        yield name, np.ascontiguousarray(content)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _arrays(value, f"{name}/{key}" if name else str(key), source)
    else:
        raise FeatvizError(f"{source}: '{name}' is {type(content).__name__}; expected an array")
