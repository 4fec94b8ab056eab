"""Checks who may control a replica."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from .errors import refusal

TOKEN_KEY = "drover-token"


class Control:
    """Admits control calls: only from the leader that started the replica, or from a later leader.

    With an empty token, calls of any client are admitted.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._epoch = 0

    def check(self, metadata: Mapping[str, str | bytes], epoch: int) -> None:
        """Invariant: after a call of one epoch, no call of a lower epoch is admitted."""
        given = metadata.get(TOKEN_KEY, "")
        # In constant time, so that the duration does not show how much of the token is right.
        if self._token and not hmac.compare_digest(given.encode() if isinstance(given, str) else given, self._token):
            raise refusal("TOKEN_MISMATCH", f"a control call needs the replica's token in the metadata key {TOKEN_KEY}")
        self.check_epoch(epoch)

    def check_epoch(self, epoch: int) -> None:
        """To be called again for a call that has waited: a later leader may have called since."""
        if epoch < self._epoch:
            raise refusal("STALE_EPOCH", f"epoch {epoch} is over: a leader of epoch {self._epoch} has called since")
        self._epoch = epoch
