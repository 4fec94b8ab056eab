"""The paths that files of a bundle may have, as `bundle.proto` defines them."""

from __future__ import annotations

import unicodedata

#: The most bytes of a path inside a bundle, and of a name in it.
PATH_BYTES_MAX = 1_024
NAME_BYTES_MAX = 255


def path_problem(path: str) -> str | None:
    """What is wrong with the path of a file that is found on a disk; None: nothing."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if size > PATH_BYTES_MAX:
        return f"its path has {size:,} bytes, and may have {PATH_BYTES_MAX:,}"
    if any(character < " " or character in "\x7f\\" for character in path):
        return "its path has a control character or a backslash"
    if any(len(name.encode()) > NAME_BYTES_MAX for name in path.split("/")):
        return f"each name in its path may have {NAME_BYTES_MAX} bytes"
    return None


class PathNames:
    """The names of files and folders of a bundle, to find those that some file systems take for
    one."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def add(self, path: str) -> str | None:
        """Adds a file and its folders. Returns the path that a part of it differs from in case or
        normal form only; None: there is none."""
        end = -1
        while end < len(path):
            end = path.find("/", end + 1)
            end = len(path) if end < 0 else end
            part = path[:end]
            known = self._known.setdefault(_folded(part), part)
            if known != part:
                return known
        return None


def _folded(path: str) -> str:
    """Equal for paths that a file system which ignores case and normal form takes for one."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path).upper().lower())
