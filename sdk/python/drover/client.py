"""A client of one deployment, for code that is not async: a form of its handle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from .handles import Handle, HandleMethod, MetadataValues, handle


class DeploymentClient:
    """Calls the methods of one deployment, named by text; made by `drover.get`. Safe to use from many
    threads. Every failed call raises a `StatusError`. In async code, use a handle."""

    def __init__(self, name: str, called: Handle) -> None:
        self.name = name
        self._handle = called

    def invoke(
        self,
        method: str = "",
        input: Any = None,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, MetadataValues] | None = None,
    ) -> Any:
        """Calls a method and returns its result.

        Args:
            method: the method's name; empty: `call`, which is the method of a function.
            input: the argument.
            timeout: seconds until DEADLINE_EXCEEDED, including the wait in the queue; None: no
                bound.
            metadata: headers to send: names in lower case, text in ASCII, or bytes where the name
                ends in `-bin`; a list is sent value by value.
        """
        return self._method(method, timeout, metadata)(input).result()

    def stream(
        self,
        method: str = "",
        input: Any = None,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, MetadataValues] | None = None,
    ) -> Iterator[Any]:
        """As `invoke`, for a method that returns a stream of results. Leaving the loop early
        cancels the call."""
        return self._method(method, timeout, metadata).stream(input)

    def close(self) -> None:
        """Does nothing: the process has one connection for all of its clients and handles."""

    def __enter__(self) -> DeploymentClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _method(self, method: str, timeout: float | None, metadata: Mapping[str, MetadataValues] | None) -> HandleMethod:
        return self._handle.options(timeout=timeout, metadata=metadata).method(method or "call")


def get(name: str, *, gateway: str | None = None) -> DeploymentClient:
    """Returns a client of the deployment with this name.

    Args:
        gateway: as in `handle`.
    """
    return DeploymentClient(name, handle(name, gateway=gateway))
