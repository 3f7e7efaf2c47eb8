"""The `instances` of a KServe V1 request: images as nested lists, pictures as text, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict

from service.api.layouts import from_nested, layouts, to_uint8
from service.api.picture_bodies import PictureText, members
from service.api.picture_text import decode_text
from service.api.schemas import Fact
from service.api.tensors import shown
from service.contract import MAX_PICTURES
from service.errors import RequestError, ServiceError

NAMES: Final = ("image_bytes", "image", "images", "data")
"""Under which TensorFlow Serving's and TorchServe's examples have an image in an instance; the first that is there."""
EXPECTED: Final = (
    'expected an image as nested lists of whole numbers from 0 to 255, or a picture as {"b64": "<base64>"}'
)


class EncodedInstance(TypedDict):
    """A picture file as text."""

    b64: PictureText


class PredictBody(TypedDict):
    """Images, pictures, or both."""

    instances: Annotated[
        list[Annotated[list[list[Any]], Fact("image")] | EncodedInstance], Field(min_length=1, max_length=MAX_PICTURES)
    ]


class Instances(NamedTuple):
    """What a request asks about, and in which places of the answer each belongs.

    `images` is uint8 [N, height, width], or None where there is none.
    """

    images: NDArray[np.uint8] | None
    image_places: list[int]
    pictures: list[bytes]
    picture_places: list[int]


def read_instances(body: bytes, image_shape: tuple[int, ...]) -> Instances:
    """Read `{"instances": [...]}` for a model whose images have this height and width.

    Raises:
        RequestError: it is something else, or an instance is neither an image nor a picture; the message names it.
        UndecodablePicture: the text of a picture is not base64.
    """
    arrays: list[NDArray[Any]] = []
    places = Instances(None, [], [], [])
    for place, instance in enumerate(_list(body)):
        try:
            found = _read(instance, image_shape)
        except ServiceError as error:
            raise type(error)(f"instances[{place}]: {error}") from error
        if isinstance(found, bytes):
            places.pictures.append(found)
            places.picture_places.append(place)
        else:
            arrays.append(found)
            places.image_places.append(place)
    return places._replace(images=_together(arrays, image_shape)) if arrays else places


def _list(body: bytes) -> list[Any]:
    try:
        content = orjson.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON ({str(error)[:100]}); {_like()}") from error
    instances = content.get("instances") if isinstance(content, dict) else None
    if not isinstance(instances, list):
        raise RequestError(f"the body has {members(content)}; {_like()}, a list even of a single instance")
    signature = content.get("signature_name", "serving_default")
    if signature != "serving_default":
        raise RequestError(f"there is no signature {shown(signature)}; leave 'signature_name' out")
    if not 1 <= len(instances) <= MAX_PICTURES:
        raise RequestError(
            f"there are {len(instances)} instances, expected 1 to {MAX_PICTURES}; send more in other requests"
        )
    return instances


def _read(instance: object, image_shape: tuple[int, ...]) -> bytes | NDArray[Any]:
    """Return the bytes of a picture file, or an image of any dtype [height, width]."""
    name = next((name for name in NAMES if name in instance), "") if isinstance(instance, dict) else ""
    value = instance[name] if name and isinstance(instance, dict) else instance
    if isinstance(value, dict) and isinstance(value.get("b64"), str):
        value = value["b64"]
    if isinstance(value, str):
        return decode_text(value)
    if not isinstance(value, list):
        raise RequestError(f"the instance is {shown(value)}; {EXPECTED}")
    array = from_nested(value, "it")
    if array.shape not in layouts(image_shape):
        shapes = ", ".join(str(list(shape)) for shape in layouts(image_shape))
        raise RequestError(f"the instance has the shape {list(array.shape)}, expected one of {shapes}")
    return array.reshape(image_shape)


def _together(arrays: Sequence[NDArray[Any]], image_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    values = np.concatenate(arrays).reshape(len(arrays), *image_shape)
    return to_uint8(values, is_float=values.dtype.kind == "f", of="the data of the instances")


def _like() -> str:
    return 'expected {"instances": [[[0, …28 numbers], …28 rows], {"b64": "<base64>"}, …]}'
