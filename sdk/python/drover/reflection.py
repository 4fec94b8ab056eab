"""Server reflection, v1 and v1alpha. It costs nothing until the first call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from .service import service

#: The two versions differ only in their package.
NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def reflection(services: Sequence[str]) -> list[grpc.GenericRpcHandler]:
    servicers: list[Any] = []

    def messages() -> Any:
        from grpc_reflection.v1alpha import reflection_pb2

        return reflection_pb2

    async def serve(requests: Any, context: Any) -> None:
        if not servicers:
            from grpc_reflection.v1alpha.reflection import aio

            servicers.append(aio.ReflectionServicer((*services, *NAMES)))
        async for answer in servicers[0].ServerReflectionInfo(requests, context):
            await context.write(answer)

    handler = grpc.stream_stream_rpc_method_handler(
        serve,
        request_deserializer=lambda raw: messages().ServerReflectionRequest.FromString(raw),
        response_serializer=lambda answer: answer.SerializeToString(),
    )
    return [service(name, {"ServerReflectionInfo": handler}) for name in NAMES]
