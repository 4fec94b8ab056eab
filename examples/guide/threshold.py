# A program that is slow to start and fast to reconfigure: it classifies values as rare or common,
# with a threshold in its config.
# The same in TypeScript is ../threshold/threshold.ts.
#   drover run threshold.py
#   drover reconfigure threshold '{"threshold": 0.05}'
from __future__ import annotations

import bisect
from array import array
from typing import Any

import drover

# The number of values to compare with. More values make the answers finer and the start longer.
SAMPLE_COUNT = 100_000


@drover.deployment(version="1", num_replicas=2, resources={"num_cpus": 0.1}, user_config={"threshold": 0.01})
class Threshold:
    def __init__(self) -> None:
        # Most of a replica's start. A new threshold does not need it again, so no replica restarts.
        self._distances = distances_from_mean()
        self._threshold = 0.0

    def validate_config(self, user_config: Any) -> None:
        """Called on every replica before any is changed: if it raises on one, none is changed."""
        threshold = user_config.get("threshold") if isinstance(user_config, dict) else None
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be a number from 0 to 1, not {threshold}")

    def reconfigure(self, user_config: dict[str, float]) -> None:
        """Called before the first request and at each change, while requests go on. It is one
        assignment, so no request sees half a change."""
        self._threshold = user_config["threshold"]

    def classify(self, request: dict[str, Any]) -> dict[str, Any]:
        # Read once, so that one request uses one config.
        threshold = self._threshold
        value = request.get("value")
        if not isinstance(value, (int, float)):
            raise drover.StatusError("INVALID_ARGUMENT", "value: must be a number")
        return {"label": "rare" if self._share_beyond(value) < threshold else "common", "threshold": threshold}

    def _share_beyond(self, value: float) -> float:
        """The share of all values further from the mean: 1 at the mean, 0.05 at about ±2."""
        return 1 - bisect.bisect_right(self._distances, abs(value)) / SAMPLE_COUNT


def distances_from_mean() -> array[float]:
    """Distances from the mean of values with a normal distribution (mean 0, deviation 1), sorted. A
    value is the sum of twelve uniform draws, less 6. All replicas draw the same values."""
    state = 1
    distances = []
    for _ in range(SAMPLE_COUNT):
        total = -6.0
        for _ in range(12):
            state = (state * 1_664_525 + 1_013_904_223) % 2**32
            total += state / 2**32
        distances.append(abs(total))
    return array("d", sorted(distances))
