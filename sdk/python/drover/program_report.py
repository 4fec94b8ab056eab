"""What batched and multiplexed functions of this process report to the controller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

#: How many methods report batches at most.
BATCH_METHODS_MAX = 100
#: How many models are reported at most.
MODELS_MAX = 1_000


class BatchTotals:
    """What one method has done in batches since the process started."""

    def __init__(self) -> None:
        self.batches = 0
        self.items = 0
        self.wait_seconds = 0.0


class ModelSource(NamedTuple):
    """The models of one multiplexed function."""

    max_models: int
    #: Loaded or loading; the one used longest ago is the first.
    names: Callable[[], list[str]]
    #: Unloads all.
    close: Callable[[], Awaitable[None]]


batches: dict[str, BatchTotals] = {}
sources: list[ModelSource] = []


def count_batch(method: str, items: int, wait_seconds: float) -> None:
    if method not in batches and len(batches) >= BATCH_METHODS_MAX:
        return
    totals = batches.setdefault(method, BatchTotals())
    totals.batches += 1
    totals.items += items
    totals.wait_seconds += wait_seconds


def report() -> dict[str, Any]:
    """The fields of a `WatchLoadResponse` that this module knows."""
    names = list(dict.fromkeys(name for source in sources for name in source.names()))
    return {
        "models": names[-MODELS_MAX:],
        # Several functions have models of the same names, as a rule.
        "max_models": max((source.max_models for source in sources), default=0),
        "batches": [
            {"method": method, "batches_total": of.batches, "items_total": of.items, "wait_seconds_total": of.wait_seconds}
            for method, of in batches.items()
        ],
    }


async def close_models() -> None:
    for source in sources:
        await source.close()
