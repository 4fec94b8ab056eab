"""Standard output and standard error of a program that outlives a full disk."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: What Drover keeps of a disk for itself, as in src/core/disk-room.ts: 16 MiB, but at most 2 % of
#: the disk. Output is dropped while less than this is free.
RESERVED_BYTES_MAX = 16 * 1024 * 1024
RESERVED_SHARE = 0.02
#: How much may be written between two looks at the free space, bytes.
UNLOOKED_BYTES_MAX = 64 * 1024


class DroppingOutput(io.RawIOBase):
    """Drops and counts what cannot be written. When writing works again, a line says how much was
    lost. Threads may write at the same time: the buffer on top has a lock."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._dropped = 0
        self._why = ""
        self._unlooked = UNLOOKED_BYTES_MAX
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: ReadableBuffer, /) -> int:
        data = bytes(data)
        left = data
        try:
            self._look()
            if self._dropped > 0:
                note = f"{self._dropped} bytes of output were dropped: {self._why}\n".encode()
                while note:
                    note = note[os.write(self._fd, note) :]
                self._dropped = 0
            while left:
                size = os.write(self._fd, left)
                left = left[size:]
                self._unlooked += size
        except OSError as error:
            if self._dropped == 0:
                self._why = str(error)
            self._dropped += len(left)
        return len(data)

    def _look(self) -> None:
        """Raises while the disk has no more room than Drover needs for itself."""
        if not self._is_file or (self._unlooked < UNLOOKED_BYTES_MAX and self._dropped == 0):
            return
        self._unlooked = 0
        disk = os.fstatvfs(self._fd)
        if disk.f_bavail * disk.f_frsize < min(RESERVED_BYTES_MAX, disk.f_blocks * disk.f_frsize * RESERVED_SHARE):
            raise OSError("the disk is full")


def drop_unwritable() -> None:
    """Replaces `sys.stdout` and `sys.stderr` where they are real outputs. Each line is written when
    it ends: else the output would be visible only when the program has ended."""
    sys.stdout = _replacement(sys.stdout)
    sys.stderr = _replacement(sys.stderr)


def _replacement(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    output = io.BufferedWriter(DroppingOutput(stream.fileno()))
    return io.TextIOWrapper(output, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
