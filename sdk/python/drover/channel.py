"""Connections to Drover."""

from __future__ import annotations

import grpc


def open_channel(address: str) -> grpc.Channel:
    """A channel to `host:port` or `unix:/path`. It connects when first used, reconnects by itself,
    and uses no HTTP proxy."""
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)])
