"""A file, such as an image, as a value."""

from __future__ import annotations

from dataclasses import dataclass


def media_type_fault(media_type: str) -> str | None:
    """Why a text is no media type; None: it is one."""
    return None if "/" in media_type else f"{media_type[:50]!r} is no media type; give one such as image/png"


@dataclass(frozen=True)
class Media:
    """A file: bytes and what they are. It travels as bytes.

    Args:
        data: the bytes of the file.
        media_type: what they are, such as `image/png`.
    """

    data: bytes
    media_type: str

    def __post_init__(self) -> None:
        wrong = media_type_fault(self.media_type)
        if wrong is not None:
            raise ValueError(f"media_type: {wrong}")
