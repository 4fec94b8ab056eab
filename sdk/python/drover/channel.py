"""Connections to Drover."""

from __future__ import annotations

import grpc


def open_channel(address: str) -> grpc.Channel:
    """To `host:port` or `unix:/path`, made when first needed and again when lost, past any proxy for the web."""
    return grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)])
