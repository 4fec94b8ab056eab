"""The metadata that a call by a handle sends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Union

from .request_context import MODEL_KEY, REQUEST_ID_KEY, RequestContext

#: What goes along from a request to the calls that it makes, besides the request's id: the trace.
TRACE_KEYS = ("traceparent", "tracestate", "baggage")

_TEXT = re.compile(r"[ -~]*", re.ASCII)

Pairs = tuple[tuple[str, Union[str, bytes]], ...]


def outgoing_metadata(request: RequestContext | None, given: Mapping[str, str | bytes | Sequence[str | bytes]], model: str) -> Pairs:
    """The model, what is given, and what goes along of the request in work, if it is not given."""
    pairs: dict[str, list[str | bytes]] = {}
    if request is not None:
        pairs[REQUEST_ID_KEY] = [request.request_id]
        for name in (*TRACE_KEYS, *request.forward_metadata):
            pairs[name] = [value for value in request.metadata.get_all(name) if _can_be_sent(value)]
    for name, values in given.items():
        pairs[name] = [values] if isinstance(values, (str, bytes)) else list(values)
    if model:
        pairs[MODEL_KEY] = [model]
    return tuple((name, value) for name, values in pairs.items() for value in values)


def model_in(metadata: Pairs) -> str:
    """The model that a call with this metadata is for; empty: none."""
    return next((value for name, value in metadata if name == MODEL_KEY and isinstance(value, str)), "")


def _can_be_sent(value: str | bytes) -> bool:
    """Other peers than gRPC's may send text that gRPC does not."""
    return isinstance(value, bytes) or bool(_TEXT.fullmatch(value))
