"""The bounds of a message, in bytes."""

from __future__ import annotations

#: The largest message of a request or its answer, where the controller says nothing: 64 MiB.
MESSAGE_BYTES_DEFAULT = 64 * 1024 * 1024
#: The most that a controller can set: 1 GiB. A caller reads what its server may send.
MESSAGE_BYTES_CEILING = 1024 * 1024 * 1024
#: The largest control message to a replica: 4 MiB, whatever the bound of requests is.
CONTROL_BYTES_MAX = 4 * 1024 * 1024
#: A message is read up to this much above the bound, so that it is refused with details; gRPC
#: itself refuses larger ones.
EXCESS_BYTES_MAX = 4 * 1024 * 1024
