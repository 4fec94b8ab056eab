"""A program that calls another one by a handle: directly, and through the gateway."""

import asyncio
import os
import time

import numpy

import drover


@drover.deployment
class Leaf:
    async def echo(self, value: object) -> object:
        return value

    async def size(self, array: numpy.ndarray) -> int:
        return array.size

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@drover.deployment
class Front:
    def __init__(self, leaf: drover.Handle) -> None:
        self._leaf = leaf
        # Without the API, which lists the replicas, every call goes through the gateway.
        self._leaf_by_gateway = drover.handle("leaf", gateway=os.environ["DROVER_GATEWAY"])

    async def one(self, value: object) -> object:
        return value

    async def direct(self, value: object) -> object:
        return await self._leaf.echo(value)

    async def gateway(self, value: object) -> object:
        return await self._leaf_by_gateway.echo(value)

    async def parallel(self, count: int, wait_seconds: float) -> float:
        """The seconds that `count` calls take that are made at the same time and wait."""
        began = time.perf_counter()
        await asyncio.gather(*(self._leaf.wait(wait_seconds) for _ in range(count)))
        return time.perf_counter() - began

    async def arrays(self, count: int, numbers: int, direct: bool) -> list[float]:
        """The milliseconds of each of `count` calls that carry an array and are made one after the other."""
        leaf = self._leaf if direct else self._leaf_by_gateway
        array = numpy.full(numbers, 0.5, dtype="float32")
        took_ms = []
        for _ in range(count):
            began = time.perf_counter()
            assert await leaf.size(array) == numbers
            took_ms.append((time.perf_counter() - began) * 1_000)
        return took_ms
