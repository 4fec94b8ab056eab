# Batching: a method that works on several requests at once. Each caller sends one item and gets
# the answer to it; an item that fails does not fail the others.
#   drover run batching.py
#   drover invoke squarer square 7
import drover


@drover.deployment(version="1", max_ongoing_requests=100, resources={"num_cpus": 0.1})
class Squarer:
    @drover.batch(max_batch_size=16, batch_wait_timeout="20ms")
    async def square(self, numbers: list[float]) -> list[object]:
        return [{"square": n * n, "of": len(numbers)} for n in numbers]
