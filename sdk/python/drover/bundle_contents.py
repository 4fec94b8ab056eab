"""Reads the files of a bundle: once for their digests, and once more to send what is missing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .bundle_error import LEAVE_OUT, BundleError, FileChangedError
from .bundle_files import FoundFile
from .types import BundleFile

#: The bytes of one piece of a file; the API takes at most 1 MiB.
PIECE_BYTES = 512 * 1024
#: How often a file is read that changes while it is read.
READS = 3

#: The SHA-256 of a file by its path, size, times and inode: a deploy may read a file several times.
Digests = dict[tuple[str, int, int, int, int], str]


def with_digest(found: FoundFile, digests: Digests) -> BundleFile:
    """The file with its SHA-256.

    Raises:
        FileChangedError: it changes each time it is read.
        BundleError: it cannot be read.
    """
    for _ in range(READS):
        read = _digest(found, digests)
        if read is not None:
            return read
    raise FileChangedError(found.path)


def _digest(found: FoundFile, digests: Digests) -> BundleFile | None:
    try:
        with open(found.file, "rb", buffering=0) as source:
            before = os.fstat(source.fileno())
            key = (found.file, *_identity(before))
            sha256 = digests.get(key)
            if sha256 is None:
                digest, size = hashlib.sha256(), 0
                while data := source.read(PIECE_BYTES):
                    digest.update(data)
                    size += len(data)
                if size != before.st_size or _identity(before) != _identity(os.fstat(source.fileno())):
                    return None
                sha256 = digests[key] = digest.hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{found.path} cannot be read: {error.strerror}; {LEAVE_OUT}") from None
    return BundleFile(path=found.path, executable=bool(before.st_mode & 0o111), size=before.st_size, sha256=sha256)


def _identity(seen: os.stat_result) -> tuple[int, int, int, int]:
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


class Pieces:
    """The pieces of files, as `UploadFiles` takes them. It ends at a file that is no longer what its
    digest says, so that the controller never gets the whole of it."""

    def __init__(self, files: Sequence[tuple[BundleFile, str]], sent: Callable[[int], None]) -> None:
        self._files = files
        self._sent = sent
        #: The path of the file that is another now; None: none is.
        self.changed: str | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for file, source in self._files:
            digest, left = hashlib.sha256(), file.size
            try:
                with open(source, "rb", buffering=0) as content:
                    head: dict[str, Any] = {"sha256": file.sha256, "size": file.size}
                    while True:
                        data = content.read(min(PIECE_BYTES, left))
                        digest.update(data)
                        left -= len(data)
                        is_last = left == 0 or not data
                        if is_last and digest.hexdigest() != file.sha256:
                            break
                        yield {**head, "data": data}
                        self._sent(len(data))
                        if is_last:
                            break
                        head = {}
            except OSError:
                pass
            if left > 0 or digest.hexdigest() != file.sha256:
                self.changed = file.path
                return
