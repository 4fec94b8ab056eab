"""Handles: programs call other deployments by them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn, Union

from ._gen.drover.v1 import invoke_service_pb2 as pb
from .caller import Call, Caller
from .durations import seconds_of
from .errors import Callee, refusal
from .field_hint import refuse_unknown
from .outgoing import model_in, outgoing_metadata
from .request_context import context
from .responses import Response, ResponseStream
from .values import decode_result, encode_arguments

#: The values of a metadata key: text, or bytes where the key ends in `-bin`; several, one by one.
MetadataValues = Union[str, bytes, Sequence[Union[str, bytes]]]


class CallOptions(NamedTuple):
    """The options of a handle's calls."""

    timeout: float | None = None
    metadata: Mapping[str, MetadataValues] | None = None
    model: str = ""


class Handle:
    """Calls the methods of one deployment; made by `drover.handle`. Safe to use from many threads
    and event loops.

    `await handle.translate("hi", max_length=3)` in async code, `handle.translate("hi").result()`
    elsewhere; `handle.generate.stream("hi")` is a stream. `handle(...)` calls the method `call`,
    which is that of a function. A method with the name `options`, `method` or `remote`, or with one
    that begins with `_`, is called by `handle.method(name)`.
    """

    def __init__(self, deployment: str, place: _Place, options: CallOptions = CallOptions()) -> None:  # noqa: B008 (immutable)
        self._deployment = deployment
        self._place = place
        self._options = options

    def options(
        self,
        *,
        timeout: float | str | timedelta | None = None,
        metadata: Mapping[str, MetadataValues] | None = None,
        model: str | None = None,
        **unknown: NoReturn,
    ) -> Handle:
        """A copy with other options; what is not given stays.

        Args:
            timeout: how long a call may take, with the wait in the queue: seconds, `"10s"` or a
                `timedelta`. Inside a request, a call ends at the latest with the request.
            metadata: headers to send: names in lower case, text in ASCII, or bytes where the name
                ends in `-bin`; a list is sent value by value.
            model: the model that the calls are for, in a deployment that holds several.
        """
        refuse_unknown("options", unknown, CallOptions._fields)
        mine = self._options
        changed = CallOptions(
            mine.timeout if timeout is None else _seconds(timeout),
            mine.metadata if metadata is None else metadata,
            mine.model if model is None else model,
        )
        return Handle(self._deployment, self._place, changed)

    def method(self, name: str) -> HandleMethod:
        """The method with this name."""
        return HandleMethod(self._deployment, name, self._place, self._options)

    def __call__(self, *args: Any, **keywords: Any) -> Response:
        return self.method("call")(*args, **keywords)

    remote = __call__

    def __getattr__(self, name: str) -> HandleMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.method(name)

    def __repr__(self) -> str:
        return f"<drover.Handle of {self._deployment}>"


class HandleMethod:
    """A method of a deployment. Arguments are those of the method, by position or by name: JSON
    values, bytes, arrays and files. The response of another call is awaited, and its result sent."""

    def __init__(self, deployment: str, name: str, place: _Place, options: CallOptions) -> None:
        self._callee = Callee(deployment, name)
        self._place = place
        self._options = options

    def __call__(self, *args: Any, **keywords: Any) -> Response:
        """Begins the call. Raises TypeError for an argument that cannot be sent."""
        return Response(self._invoke(*self._call(pb.InvokeRequest(), args, keywords)), self._callee)

    remote = __call__

    def stream(self, *args: Any, **keywords: Any) -> ResponseStream:
        """The results of a method that returns a stream. Raises TypeError for an argument that
        cannot be sent."""
        return ResponseStream(self._stream(*self._call(pb.InvokeServerStreamRequest(), args, keywords)), self._callee)

    def __repr__(self) -> str:
        return f"<method {self._callee.method} of {self._callee.deployment}>"

    async def _invoke(self, call: Call, later: Later | None) -> Any:
        if later is not None:
            await self._arguments(call, later)
        return decode_result(await self._place.caller().invoke(call))

    async def _stream(self, call: Call, later: Later | None) -> Any:
        if later is not None:
            await self._arguments(call, later)
        items = self._place.caller().stream(call)
        try:
            async for item in items:
                yield decode_result(item)
        finally:
            await items.aclose()  # type: ignore[attr-defined]

    async def _arguments(self, call: Call, later: Later) -> None:
        """Waits for the arguments that are results of other calls."""
        left = None if call.ends is None else max(0.0, call.ends - time.monotonic())
        try:
            args, keywords = await asyncio.wait_for(later.settled(), left)
        except asyncio.TimeoutError:
            error = refusal("DEADLINE", "the deadline of the call has passed, and an argument is not there yet")
            error.callee = self._callee
            raise error from None
        encode_arguments(call.request, args, keywords)

    def _call(self, request: Any, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Call, Later | None]:
        request.deployment, request.method = self._callee.deployment, self._callee.method
        later = Later(args, keywords) if any(isinstance(one, Response) for one in (*args, *keywords.values())) else None
        if later is None:
            encode_arguments(request, args, keywords)
        options, asking = self._options, context()
        metadata = outgoing_metadata(asking, options.metadata or {}, options.model)
        ends = [] if asking is None or asking.ends is None else [asking.ends]
        if options.timeout is not None:
            ends.append(time.monotonic() + options.timeout)
        call = Call(self._callee.deployment, self._callee.method, request, metadata, min(ends, default=None), model_in(metadata))
        return call, later


class Later(NamedTuple):
    """Arguments of which some are results of other calls."""

    args: tuple[Any, ...]
    keywords: Mapping[str, Any]

    async def settled(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        values = await asyncio.gather(*[_settled(one) for one in (*self.args, *self.keywords.values())])
        count = len(self.args)
        return tuple(values[:count]), dict(zip(self.keywords, values[count:], strict=True))


async def _settled(argument: Any) -> Any:
    return await argument.settled() if isinstance(argument, Response) else argument


class _Place(NamedTuple):
    """The addresses of a controller."""

    #: None: calls go through the gateway alone.
    api: str | None
    gateway: str

    def caller(self) -> Caller:
        """To be called on the loop for calls."""
        caller = _callers.get(self)
        if caller is None:
            caller = _callers[self] = Caller(self.api, self.gateway)
        return caller


_callers: dict[_Place, Caller] = {}


def handle(name: str, *, api: str | None = None, gateway: str | None = None) -> Handle:
    """A handle of the deployment with this name, which need not exist yet.

    Args:
        api: the controller's API, `host:port`; None: the environment variable `DROVER_API`. It lists
            the replicas, which calls then reach directly.
        gateway: `host:port`; None: the environment variable `DROVER_GATEWAY`.

    A replica has both variables, of the controller that started it. Where neither address is given,
    they are 127.0.0.1:9001 and 127.0.0.1:9000. Where only the gateway is, all calls go through it:
    what listens at the default address of the API may be another controller.

    Raises:
        TypeError: only `api` is given.
    """
    if gateway is None and api is not None:
        raise TypeError("handle: gateway is not given: with api, give the gateway of the same controller")
    if gateway is None:
        api, gateway = os.environ.get("DROVER_API"), os.environ.get("DROVER_GATEWAY")
    if not gateway:
        return Handle(name, _Place(api or "127.0.0.1:9001", "127.0.0.1:9000"))
    return Handle(name, _Place(api or None, gateway))


def argument_of(given: Handle) -> str:
    """The name of its deployment, for the arguments of a constructor. The replica makes the handle
    again. Raises TypeError for a handle that has more than its name."""
    name = given._deployment
    if given._place != handle(name)._place or given._options != CallOptions():
        raise TypeError(f'drover.handle("{name}"): only its name goes along: set addresses and options in the constructor')
    return name


def _seconds(timeout: float | str | timedelta) -> float:
    seconds = seconds_of(timeout)
    if seconds is None:
        raise TypeError(f'timeout of a handle: must be seconds as a number, or text like "10s" or "1h30m", not {timeout!r}')
    return seconds
