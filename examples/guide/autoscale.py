# Scaling with the load: Drover keeps the load of each replica, requests in work and waiting, near
# `target_ongoing_requests`, within the bounds.
#   drover run autoscale.py
#   drover explain sleeper        the decisions, and the numbers behind them
import asyncio

import drover


@drover.deployment(
    version="1",
    resources={"num_cpus": 0.1},
    max_ongoing_requests=10,  # above the target, so that a replica takes requests while others start
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": 5,
        "target_ongoing_requests": 2,
        "upscale_delay": "2s",  # how long more replicas must be needed
        "downscale_delay": "10s",  # how long fewer replicas must be enough
        "look_back_period": "2s",
    },
)
class Sleeper:
    async def sleep(self, seconds: float) -> dict[str, float]:
        await asyncio.sleep(seconds)
        return {"slept": seconds}
