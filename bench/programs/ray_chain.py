"""The chain of `chain.py` as a program for Ray Serve, served over HTTP until standard input ends.
Prints `ready PORT`."""

import socket
import sys

from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import PlainTextResponse

IN_WORK_MAX = 128


@serve.deployment(max_ongoing_requests=IN_WORK_MAX)
class Leaf:
    async def echo(self, value: str) -> str:
        return value


@serve.deployment(max_ongoing_requests=IN_WORK_MAX)
class Front:
    def __init__(self, leaf: DeploymentHandle) -> None:
        self._leaf = leaf

    async def __call__(self, request: Request) -> PlainTextResponse:
        value = (await request.body()).decode()
        return PlainTextResponse(value if request.url.path == "/one" else await self._leaf.echo.remote(value))


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
serve.start(http_options=HTTPOptions(host="127.0.0.1", port=port))
serve.run(Front.bind(Leaf.bind()))
print(f"ready {port}", flush=True)
sys.stdin.read()
serve.shutdown()
