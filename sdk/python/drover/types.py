"""The types of what `Client` and `AsyncClient` take and return."""

from ._gen.types import *  # noqa: F403
from ._gen.types import __all__ as __all__
