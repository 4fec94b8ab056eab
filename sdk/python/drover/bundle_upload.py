"""Sends the files of a bundle that the controller does not have, and makes the bundle of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ._gen.clients import Client
from .bundle_contents import Digests, Pieces, with_digest
from .bundle_error import LEAVE_OUT, BundleError, FileChangedError
from .bundle_files import FoundFile, find_files
from .bundle_progress import BundleProgress
from .controller_calls import wait_before_retry
from .errors import StatusError
from .types import BundleBounds, BundleFile

#: What one call sends at most, so that a lost connection costs no more; a larger file is alone in
#: its call.
CALL_BYTES = 64 * 1024 * 1024
CALL_FILES = 1_000
#: Digests that one `FindMissingFiles` asks for.
ASKED = 10_000
#: How often all files are read, where files change or the controller has dropped some.
TRIES = 3


class SentBundle:
    """A bundle that the controller has."""

    def __init__(self, digest: str, files: Sequence[BundleFile]) -> None:
        self.digest = digest
        self.paths = frozenset(file.path for file in files)


def send_bundle(client: Client, folder: str) -> SentBundle:
    """Makes a bundle of the files of a folder, and sends what the controller lacks.

    Raises:
        BundleError: files that cannot be sent, or that change all the time.
        StatusError: the error of the API.
    """
    bounds = client.get_cluster().bundle_bounds
    if bounds is None:
        remedy = "update it, or use the paths of its machine with bundle=False"
        raise BundleError(f"the controller is of a version that keeps no files of programs: {remedy}")
    digests: Digests = {}
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            return _send(client, folder, bounds, digests)
        except FileChangedError as error:
            if last:
                raise BundleError(f"{error.path} changes while it is read; {LEAVE_OUT}") from None
        except StatusError as error:
            if last or error.reason != "FILES_MISSING":
                raise
    raise AssertionError("the last try returns or raises")


def _send(client: Client, folder: str, bounds: BundleBounds, digests: Digests) -> SentBundle:
    found = find_files(folder, bounds)
    if not found:
        raise BundleError(f"{folder} has no file to send: .gitignore and .droverignore leave out all of them")
    files = [with_digest(one, digests) for one in found]
    asked = sorted({file.sha256 for file in files})
    missing = {sha256 for at in range(0, len(asked), ASKED) for sha256 in client.find_missing_files(asked[at : at + ASKED])}
    once = {file.sha256: (file, one) for file, one in zip(files, found, strict=True) if file.sha256 in missing}
    if once:
        with BundleProgress(folder, [file for file, _ in once.values()]) as progress:
            for batch in _batches(list(once.values())):
                _upload(client, batch, progress)
    return SentBundle(client.create_bundle(files), files)


def _batches(files: Sequence[tuple[BundleFile, FoundFile]]) -> Iterator[list[tuple[BundleFile, str]]]:
    batch: list[tuple[BundleFile, str]] = []
    size = 0
    for file, found in files:
        if batch and (len(batch) == CALL_FILES or size + file.size > CALL_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((file, found.file))
        size += file.size
    yield batch


def _upload(client: Client, batch: Sequence[tuple[BundleFile, str]], progress: BundleProgress) -> None:
    """Sends files by one call, which is repeated where its connection is lost."""
    before = progress.sent
    tries = 1
    while True:
        pieces = Pieces(batch, progress.add)
        failed: StatusError | None = None
        try:
            client.upload_files(pieces)
        except StatusError as error:
            failed = error
        if pieces.changed is not None:
            raise FileChangedError(pieces.changed)
        if failed is None:
            return
        time.sleep(wait_before_retry(failed, tries))
        tries += 1
        progress.sent = before
