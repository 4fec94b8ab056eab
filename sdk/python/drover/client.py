"""Calls deployments through the gateway."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Union

import grpc

from ._gen.drover.v1 import invoke_service_pb2 as pb
from ._gen.drover.v1 import invoke_service_pb2_grpc as pb_grpc
from .channel import open_channel
from .json_value import Json, json_to_value, value_to_json
from .status_wire import decode_status

#: What a method takes and returns: any JSON value, or bytes.
Payload = Union[Json, bytes]

#: The values of a metadata key: text, or bytes where the key ends in `-bin`; several, one by one.
MetadataValues = Union[str, bytes, Sequence[Union[str, bytes]]]


class DeploymentClient:
    """Calls the methods of one deployment; made by `drover.get`. Safe to use from many threads.
    Every failed call raises a `StatusError`."""

    def __init__(self, name: str, channel: grpc.Channel) -> None:
        self.name = name
        self._channel = channel
        self._stub = pb_grpc.InvokeServiceStub(channel)

    def invoke(
        self,
        method: str = "",
        input: Any = None,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, MetadataValues] | None = None,
    ) -> Payload:
        """Calls a method and returns its result.

        Args:
            method: the method's name; empty: `call`, which is the method of a function.
            input: any JSON value, or bytes.
            timeout: seconds until DEADLINE_EXCEEDED, including the wait in the queue; None: no
                bound.
            metadata: headers to send: names in lower case, text in ASCII, or bytes where the name
                ends in `-bin`; a list is sent value by value.
        """
        request = self._request(pb.InvokeRequest(), method, input)
        try:
            return _payload(self._stub.Invoke(request, timeout=timeout, metadata=_headers(metadata)))
        except grpc.RpcError as error:
            raise decode_status(error) from None

    def stream(
        self,
        method: str = "",
        input: Any = None,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, MetadataValues] | None = None,
    ) -> Iterator[Payload]:
        """As `invoke`, for a method that returns a stream of results. Leaving the loop early
        cancels the call."""
        request = self._request(pb.InvokeServerStreamRequest(), method, input)
        call = self._stub.InvokeServerStream(request, timeout=timeout, metadata=_headers(metadata))
        try:
            for response in call:
                yield _payload(response)
        except grpc.RpcError as error:
            raise decode_status(error) from None
        finally:
            call.cancel()

    def close(self) -> None:
        """Closes the connection; ongoing calls fail."""
        self._channel.close()

    def __enter__(self) -> DeploymentClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _request(self, request: Any, method: str, input: Any) -> Any:
        request.deployment = self.name
        request.method = method
        if isinstance(input, (bytes, bytearray, memoryview)):
            request.bytes = bytes(input)
        else:
            json_to_value(input, request.json)
        return request


def get(name: str, *, gateway: str | None = None) -> DeploymentClient:
    """Returns a client of the deployment with this name.

    Args:
        gateway: `host:port`; None: the environment variable `DROVER_GATEWAY`, else 127.0.0.1:9000.
    """
    return DeploymentClient(name, open_channel(gateway or os.environ.get("DROVER_GATEWAY") or "127.0.0.1:9000"))


def _headers(metadata: Mapping[str, MetadataValues] | None) -> tuple[tuple[str, str | bytes], ...]:
    pairs = (metadata or {}).items()
    return tuple((name, value) for name, values in pairs for value in ([values] if isinstance(values, (str, bytes)) else values))


def _payload(response: Any) -> Payload:
    return bytes(response.bytes) if response.WhichOneof("output") == "bytes" else value_to_json(response.json)
