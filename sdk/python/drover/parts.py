"""Binary values beside JSON: `drover.v1.Part`."""

from __future__ import annotations

import io
import math
import struct
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from .json_value import EXACT_MAX, NotJson
from .media import Media, media_type_fault

#: The most parts of one message.
PARTS_MAX = 10_000
#: The longest path of a part, in bytes, and the most dimensions of an array.
PATH_BYTES_MAX = 4_096
DIMENSIONS_MAX = 32


class Layout(NamedTuple):
    """How the numbers of an element type lie in memory."""

    #: The bytes of one element.
    size: int
    #: The format of the memoryview that there is without numpy: of a complex number, that of its
    #: two parts, and float16 becomes float32.
    format: str


LAYOUTS = {
    "bool": Layout(1, "?"),
    "int8": Layout(1, "b"),
    "int16": Layout(2, "h"),
    "int32": Layout(4, "i"),
    "int64": Layout(8, "q"),
    "uint8": Layout(1, "B"),
    "uint16": Layout(2, "H"),
    "uint32": Layout(4, "I"),
    "uint64": Layout(8, "Q"),
    "float16": Layout(2, "f"),
    "float32": Layout(4, "f"),
    "float64": Layout(8, "d"),
    "complex64": Layout(8, "f"),
    "complex128": Layout(16, "d"),
}

#: The words of a memoryview's formats, without the number of bits.
_FORMATS = {**dict.fromkeys("bhilqn", "int"), **dict.fromkeys("BHILQN", "uint"), **dict.fromkeys("efd", "float")}


class WrongPart(ValueError):
    """A part that does not fit its message; `field` is in the proto's words."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(description)
        self.field = field


class Parts:
    """Puts binary values among the parts of a message."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    def take(self, thing: object) -> bool:
        """Adds the part of bytes, an array, an image or a `Media`, with an empty path; False: it is
        something else. Raises `NotJson` for an array or an image that no part can hold."""
        if isinstance(thing, (bytes, bytearray)):
            self._add(data=bytes(thing))
        elif isinstance(thing, Media):
            self._add(data=thing.data, media_type=thing.media_type)
        elif (array := _array_of(thing)) is not None:
            element_type, shape, data = array
            self._add(data=data, element_type=element_type, shape=shape)
        elif _is_image(thing):
            self._add(data=_png(thing), media_type="image/png")
        else:
            return False
        return True

    def _add(self, **fields: Any) -> None:
        if len(self._parts) == PARTS_MAX:
            raise NotJson(f"binary, and there are {PARTS_MAX} binary values before it, which is the most")
        self._parts.add(**fields)

    def put_under(self, name: str, first: int) -> None:
        step = "/" + name.replace("~", "~0").replace("/", "~1")
        for index in range(first, len(self._parts)):
            part = self._parts[index]
            part.path = step + part.path


def _array_of(thing: object) -> tuple[str, Iterable[int], bytes] | None:
    """The element type, the shape and the bytes of an array; of bytes, the type is empty."""
    kind = type(thing)
    if isinstance(thing, memoryview) or (kind.__module__, kind.__name__) == ("array", "array"):
        return _view_of(memoryview(thing))  # type: ignore[arg-type]
    if not hasattr(kind, "__dlpack__"):  # which the arrays of numpy, torch and jax have
        return None
    numpy = _numpy()
    if numpy is None:
        return None
    if hasattr(kind, "detach"):  # torch: numpy does not read what has gradients, or is on a GPU
        thing = thing.detach().cpu()  # type: ignore[attr-defined]
    try:
        array = numpy.asarray(thing)
    except TypeError as error:
        raise NotJson(f"an array that numpy does not read ({error})") from None
    if array.ndim == 0 or array.dtype.kind not in "biufc":
        return None  # one number, or an array of text, dates or objects: JSON
    name: str = array.dtype.name
    if name not in LAYOUTS:
        raise NotJson(f"an array of {name}; convert it, as by .astype('float64')")
    return name, array.shape, numpy.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def _view_of(view: memoryview) -> tuple[str, Iterable[int], bytes]:
    if view.format in ("B", "c") and view.ndim == 1:
        return "", (), view.tobytes()
    word = _FORMATS.get(view.format.removeprefix("@"))
    name = "bool" if view.format == "?" else f"{word}{8 * view.itemsize}"
    if name not in LAYOUTS or view.ndim > DIMENSIONS_MAX:
        raise NotJson(f"a memoryview of format {view.format!r} and {view.ndim} dimensions; convert it to a numpy array")
    return name, view.shape or (), view.tobytes()


def _is_image(thing: object) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(thing, pil.Image)


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    try:
        image.save(file, "PNG", compress_level=1)  # a fraction of the time, for slightly more bytes
    except OSError as error:
        raise NotJson(f"an image of mode {image.mode}, which PNG does not have; convert it, as by .convert('RGB')") from error
    return file.getvalue()


def place_parts(root: object, parts: Any) -> Any:
    """Puts the values of parts into their places in `root`, which hold None. Raises `WrongPart`."""
    if not parts:
        return root
    if len(parts) > PARTS_MAX:
        raise WrongPart("parts", f"{len(parts)} parts, and at most {PARTS_MAX} are read")
    holder: Any = {"": root}
    for index, part in enumerate(parts):
        field = f"parts[{index}]"
        place = _place_of(holder, part.path)
        if place is None:
            raise WrongPart(f"{field}.path", f"there is no null at {part.path[:200]!r}; each part has its own")
        inside, name = place
        inside[name] = _value_of(part, field)
    return holder[""]


def _place_of(holder: object, path: str) -> tuple[Any, str | int] | None:
    """The dict or list in which a path's None is, and its name there."""
    if len(path.encode()) > PATH_BYTES_MAX:
        return None
    inside: Any = holder
    names = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]
    for step in names[:-1]:
        name = _name_in(inside, step)
        if name is None:
            return None
        inside = inside[name]
    name = _name_in(inside, names[-1])
    return (inside, name) if name is not None and inside[name] is None else None


def _name_in(inside: Any, step: str) -> str | int | None:
    """A step of a path as a key of a dict or an index of a list; None: there is no such member."""
    if type(inside) is dict:
        return step if step in inside else None
    if type(inside) is list and step.isascii() and step.isdecimal() and str(int(step[:9])) == step:
        return int(step) if int(step) < len(inside) else None
    return None


def _value_of(part: Any, field: str) -> object:
    if not part.element_type:
        if part.shape:
            raise WrongPart(f"{field}.shape", "bytes have no shape; set element_type")
        if not part.media_type:
            return part.data
        wrong = media_type_fault(part.media_type)
        if wrong is not None:
            raise WrongPart(f"{field}.media_type", wrong)
        return _file_of(part.data, part.media_type)
    if part.media_type:
        raise WrongPart(f"{field}.media_type", "a part is an array or a file, not both")
    layout = LAYOUTS.get(part.element_type)
    if layout is None:
        raise WrongPart(f"{field}.element_type", f"no element type {part.element_type[:50]!r}; there are {', '.join(LAYOUTS)}")
    data: bytes = part.data
    shape = tuple(part.shape)
    _check_shape(shape, layout.size, len(data), f"{field}.shape")
    numpy = _numpy()
    if numpy is not None:
        return numpy.ndarray(shape, numpy.dtype(part.element_type).newbyteorder("<"), data)
    form = layout.format
    if part.element_type.startswith("complex"):
        shape = (*shape, 2)
    if part.element_type == "float16":  # which not every Python's memoryview can have
        data = struct.pack(f"{len(data) // 2}f", *struct.unpack(f"<{len(data) // 2}e", data))
    view: Any = memoryview(data)
    return view.cast(form, shape) if 0 not in shape else view.cast(form)


def _check_shape(shape: tuple[int, ...], size: int, length: int, field: str) -> None:
    if len(shape) > DIMENSIONS_MAX:
        raise WrongPart(field, f"{len(shape)} dimensions, and there are at most {DIMENSIONS_MAX}")
    if any(dimension < 0 for dimension in shape):
        raise WrongPart(field, f"{list(shape)}: each length is 0 or more")
    # Also of an array without elements, for numpy cannot hold it.
    if math.prod(max(1, dimension) for dimension in shape) * size > EXACT_MAX:
        raise WrongPart(field, f"{list(shape)} of {size}-byte elements is larger than 2^53 bytes")
    if math.prod(shape) * size != length:
        raise WrongPart(field, f"{list(shape)} of {size}-byte elements is {math.prod(shape) * size} bytes, and the data has {length}")


def _file_of(data: bytes, media_type: str) -> object:
    """An image, if Pillow is there and reads it; else a `Media`."""
    if media_type.startswith("image/"):
        try:
            from PIL import Image
        except ImportError:
            return Media(data, media_type)
        try:
            return Image.open(io.BytesIO(data))
        except Exception:  # each format has errors of its own for what is none, or too large
            pass
    return Media(data, media_type)


def file_of(image: object) -> Media | None:
    """The file that an image of `place_parts` was read from; None: it was not."""
    if not _is_image(image):
        return None
    file, kind = getattr(image, "fp", None), getattr(image, "format", None)
    media_type = sys.modules["PIL.Image"].MIME.get(kind)
    return Media(file.getvalue(), media_type) if isinstance(file, io.BytesIO) and media_type else None


def _numpy() -> Any:
    """The module numpy; None: it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy
