"""Tensors of the Open Inference Protocol, for HTTP and gRPC: checks inputs and converts bytes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.api.layouts import TYPES, layouts, to_uint8
from service.errors import RequestError

Tensor = NDArray[np.uint8] | list[bytes]
# By the dtype itself: to ask for its name takes NumPy 2 us.
DATATYPES: Final[dict[np.dtype[Any], str]] = {
    np.dtype(np.float32): "FP32",
    np.dtype(np.int64): "INT64",
    np.dtype(object): "BYTES",
}

# Triton's parameters that are not done here, and what to do instead. Each value of NOTHING asks for nothing.
INSIDE: Final = "send and receive each tensor in the request and the answer themselves"
_NO_STATE: Final = "the model keeps nothing from one request to the next, so leave it out"
REFUSED: Final = {
    "classification": "ask for the best classes of an output, by its own class_count",
    "shared_memory_region": INSIDE,
    "shared_memory_byte_size": INSIDE,
    "shared_memory_offset": INSIDE,
    "sequence_id": _NO_STATE,
    "sequence_start": _NO_STATE,
    "sequence_end": _NO_STATE,
    "priority": "requests are answered in the order in which they come, so leave it out",
    "timeout": "DIGITS_TIMEOUT_S bounds every request, so leave it out and end the request from your side",
}
NOTHING: Final = (None, 0, "", False)


class RequestedOutput(NamedTuple):
    """One output that the caller wants: as JSON or as binary data, itself (0) or so many of its best classes."""

    name: str
    binary: bool = False
    classes: int = 0


class InputTensor(NamedTuple):
    """A request's checked input; `shape` is as the caller gave it.

    `images` may come in several layouts and number types (service/api/layouts.py), and are uint8 [N, 28, 28] after.
    """

    name: str
    datatype: str
    shape: list[int]
    image_shape: tuple[int, ...]

    def images(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return values of any dtype, flat or nested as `shape` says, as the network's uint8 [N, 28, 28].

        Raises:
            RequestError: there are more or fewer, or one is no whole number from 0 to 255.
        """
        if values.size != math.prod(self.shape) or (values.ndim > 1 and list(values.shape) != self.shape):
            raise RequestError(
                f"the data of 'images' has shape {list(values.shape)}, expected {self.shape}, nested or flat"
            )
        return to_uint8(values, is_float=self.datatype == "FP32").reshape(self.shape[0], *self.image_shape)


def check_count(inputs: int) -> None:
    """Raise RequestError unless a request has exactly one input."""
    if inputs != 1:
        raise RequestError(f"the request has {inputs} inputs, expected exactly one: 'images' or 'pictures'")


def check_input(name: object, datatype: object, shape: object, image_shape: tuple[int, ...]) -> InputTensor:
    """Check an input's name, datatype and shape.

    Raises:
        RequestError: it is none of the model's inputs.
    """
    types: Collection[str]
    tails: Collection[tuple[int, ...]]
    if name == "images":
        types, tails = TYPES, layouts(image_shape)
    elif name == "pictures":
        types, tails = ("BYTES",), ((),)
    else:
        raise RequestError(f"the input is named {shown(name)}, expected 'images' or 'pictures'")
    if not isinstance(datatype, str) or datatype not in types:
        raise RequestError(f"input {name!r} has datatype {shown(datatype)}, expected {_one_of(types)}")
    if (
        not (isinstance(shape, list) and set(map(type, shape)) == {int})  # True is no length, though an int
        or tuple(shape[1:]) not in tails
        or shape[0] < 1
    ):
        shapes = _one_of([["N", *tail] for tail in tails])
        raise RequestError(f"input {name!r} has shape {shown(shape)}, expected {shapes} with N of 1 or more")
    return InputTensor(name, datatype, shape, image_shape)


def check_parameters(parameters: Mapping[str, Any], owner: str, *known: str) -> None:
    """Accept the known parameters, and others whose value has no effect.

    Raises:
        RequestError: another one is there. To ignore it would be to answer another question than the caller's.
    """
    for name, value in parameters.items():
        if name in known or (name in REFUSED and value in NOTHING):
            continue
        remedy = REFUSED.get(name, f"leave it out; what there is here is {_one_of(known)}")
        raise RequestError(f"{owner} has the parameter {name[:100]!r}, which this server does not support: {remedy}")


def no_output(name: str, tensors: Mapping[str, Any]) -> RequestError:
    """Return the error for an unknown output."""
    return RequestError(f"there is no output {name[:100]!r}, expected some of {list(tensors)}")


def unpack(given: InputTensor, data: bytes | memoryview) -> Tensor:
    """Read the bytes of a checked input: images, or pictures each as a 4-byte little-endian length and so many bytes.

    Raises:
        RequestError: there are more or fewer bytes than the shape says, or a pixel is no whole number from 0 to 255.
    """
    if given.name == "pictures":
        return _unpack_pictures(memoryview(data), given.shape[0])
    _, datatype, shape, image_shape = given
    dtype = TYPES[datatype]
    if len(data) != (expected := math.prod(shape) * dtype.itemsize):
        raise RequestError(f"'images' has {len(data)} bytes, expected {expected} for {datatype} {shape}")
    if datatype == "UINT8":  # nothing to look at: each byte is a pixel
        return np.frombuffer(data, np.uint8).reshape(shape[0], *image_shape)
    return given.images(np.frombuffer(data, dtype))


def pack(tensor: NDArray[Any]) -> bytes:
    """Write an output as bytes, text as BYTES elements."""
    if tensor.dtype != object:
        return tensor.tobytes()
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in tensor.ravel())


def shown(value: object) -> str:
    """Return a value for an error message, truncated: a request may hold megabytes."""
    text = (
        repr(value)
        if not isinstance(value, (list, dict)) or len(value) < 10
        else f"a {type(value).__name__} of {len(value)}"
    )
    return text if len(text) <= 100 else text[:100] + "…"


def _one_of(choices: Iterable[object]) -> str:
    *others, last = map(repr, choices)
    return f"{', '.join(others)} or {last}" if others else last


def _unpack_pictures(data: memoryview, count: int) -> list[bytes]:
    pictures, at = list[bytes](), 0
    while at + 4 <= len(data) and len(pictures) < count:
        end = at + 4 + int.from_bytes(data[at : at + 4], "little")
        if end > len(data):
            break
        pictures.append(bytes(data[at + 4 : end]))
        at = end
    if at != len(data) or len(pictures) != count:
        raise RequestError(
            f"the {len(data)} bytes of 'pictures' hold {len(pictures)} complete elements, expected {count}, "
            "each as a 4-byte little-endian length and so many bytes"
        )
    return pictures
