"""A file, such as an image, as a value."""

from __future__ import annotations

from dataclasses import dataclass


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
        if "/" not in self.media_type:
            raise ValueError(f"media_type: {self.media_type!r} is no media type; give one such as image/png")
