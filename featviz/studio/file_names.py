"""Names that every system takes for one file or folder, and no two of them for the same."""

import unicodedata
from pathlib import PurePosixPath

_FORBIDDEN = set('/\\:*?"<>|')
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}
_NAME_BYTES, _PATH_BYTES = 200, 1000


def problem_of(name: str) -> str | None:
    """Why a name could not be a file's or a folder's everywhere; None if it could."""
    if not name or set(name) & _FORBIDDEN or any(map(_is_control, name)):
        return "it is empty or has control characters or one of " + " ".join(sorted(_FORBIDDEN))
    if _is_trimmed(name[0]) or _is_trimmed(name[-1]):
        return "it begins or ends with a dot or a space"
    if name.partition(".")[0].casefold() in _RESERVED:
        return "it is reserved on some systems"
    if len(_bytes(name)) > _NAME_BYTES:
        return f"it is longer than {_NAME_BYTES} bytes"
    return None


def safe_name(name: str) -> str:
    """The name itself if every system takes it, else one like it that has no `problem_of`."""
    if problem_of(name) is None:
        return name
    name = "".join("_" if c in _FORBIDDEN or _is_control(c) else c for c in name)
    name = "_" + name if not name or _is_trimmed(name[0]) else name
    name = name + "_" if _is_trimmed(name[-1]) else name
    name = "_" + name if name.partition(".")[0].casefold() in _RESERVED else name
    if len(_bytes(name)) > _NAME_BYTES:
        ending = _short_suffix(name)
        kept = _bytes(name)[: _NAME_BYTES - len(_bytes(ending)) - 1].decode(errors="ignore")
        name = f"{kept}_{ending}"
    return name


class FileNames:
    """The paths of a folder's files, given out one by one.

    taken: names of files that stand in the folder already.
    """

    def __init__(self, *taken: str) -> None:
        self._owners = {_key(name): name for name in taken}

    def take(self, path: str, owner: str) -> str:
        """`path`, or one like it where it is unsafe or somebody else's; its suffix stays.

        owner: whose it is, the same one for the same file.
        """
        parts = [safe_name(part) for part in PurePosixPath(path).parts if part not in ("/", ".")]
        if not parts or len(_bytes("/".join(parts))) > _PATH_BYTES:
            parts = [safe_name(owner + _short_suffix(path))]
        given = ""
        for part in parts[:-1]:
            while self._owners.setdefault(_key(given + part), "") != "":
                # A file has this name.
                part += "_"
            given += f"{part}/"
        name = PurePosixPath(parts[-1])
        mine, tries = str(name), 0
        while self._owners.setdefault(_key(given + mine), owner) != owner:
            mine = f"{name.stem}-{safe_name(owner)[:8]}{'_' * tries}{name.suffix}"
            tries += 1
        return given + mine


def _key(path: str) -> str:
    # Neither case nor the spelling of accents tells files apart everywhere.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _is_trimmed(character: str) -> bool:
    return character == "." or character.isspace()


def _short_suffix(path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return suffix if len(suffix) < 10 and suffix.isascii() else ""


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
