"""Shows on standard error what of a bundle is sent."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from .format_bytes import format_bytes
from .types import BundleFile

#: A file above this size is named: perhaps it was not meant.
LARGE_BYTES = 50 * 1024 * 1024
#: The shortest time between two states that are shown, in seconds.
SHOWN_EVERY = 0.1


class BundleProgress:
    """One line that counts on a terminal; elsewhere one line in all."""

    def __init__(self, folder: str, missing: Sequence[BundleFile]) -> None:
        self.sent = 0
        self._total = sum(file.size for file in missing)
        count = "1 file" if len(missing) == 1 else f"{len(missing):,} files"
        self._what = f"{count} of {os.path.basename(folder) or folder}"
        self._counts = sys.stderr is not None and sys.stderr.isatty()
        self._next = 0.0
        for file in missing:
            if file.size > LARGE_BYTES:
                self._write(f"{file.path} has {format_bytes(file.size)}: is it meant to be sent? .droverignore leaves it out\n")
        if not self._counts:
            self._write(f"sending {self._what}, {format_bytes(self._total)}\n")

    def add(self, size: int) -> None:
        self.sent += size
        if self._counts and time.monotonic() >= self._next:
            self._next = time.monotonic() + SHOWN_EVERY
            self._write(f"\r\033[Ksending {self._what}: {format_bytes(self.sent)} of {format_bytes(self._total)}")

    def __enter__(self) -> BundleProgress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._counts:
            self._write("\r\033[K" if error is not None else f"\r\033[Ksent {self._what}, {format_bytes(self._total)}\n")

    def _write(self, text: str) -> None:
        if sys.stderr is None:  # as under pythonw
            return
        sys.stderr.write(text)
        sys.stderr.flush()
