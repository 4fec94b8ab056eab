# Scaling with the load: Drover keeps the requests in work and waiting near `target_ongoing_requests` a replica, within the bounds.
#   drover run autoscale.py
#   drover explain sleeper        what was decided, from which numbers
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
        "upscale_delay": "2s",  # how long more replicas must have been wanted
        "downscale_delay": "10s",  # how long fewer must have been enough
        "look_back_period": "2s",
    },
)
class Sleeper:
    async def sleep(self, seconds: float) -> dict[str, float]:
        await asyncio.sleep(seconds)
        return {"slept": seconds}
