"""Connections to Drover."""

from __future__ import annotations

from typing import Any

import grpc

from .message_bounds import MESSAGE_BYTES_CEILING

#: The options of a channel: it shares no connection, uses no HTTP proxy, and reads what a server may
#: send. The server knows the bound of its requests. The wait before a lost connection is made again
#: grows from 0.1 s to 5 s, and not to two minutes, as gRPC's own does.
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_CEILING),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


def open_channel(address: str) -> grpc.Channel:
    """A channel to `host:port` or `unix:/path`. It connects when first used, reconnects by itself,
    and uses no HTTP proxy."""
    return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)


def open_async_channel(address: str) -> Any:
    """As `open_channel`, for the running event loop."""
    return grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
