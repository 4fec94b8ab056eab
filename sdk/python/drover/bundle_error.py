"""Why a program's files cannot be sent."""

from __future__ import annotations

#: What to do about a file that cannot be sent.
LEAVE_OUT = ".droverignore leaves it out"


class BundleError(ValueError):
    """Files of a program that cannot be sent as they are; the message says which, and what to
    do."""


class FileChangedError(Exception):
    """A file changed while it was read: its path inside the bundle."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path
