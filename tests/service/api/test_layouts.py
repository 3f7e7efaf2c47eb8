"""The layouts and number types in which images are taken: one picture, however it is written, is one tensor."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from service.api import grpc_messages
from service.api.layouts import TYPES, to_uint8
from service.api.open_inference_wire import parse_infer
from service.errors import RequestError

SHAPE = (28, 28)
SHAPES = ([2, 28, 28], [2, 1, 28, 28], [2, 28, 28, 1], [2, 784])
IMAGES = np.arange(2 * 784, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)


def parse(shape: list[int], datatype: str, data: object, binary: bytes = b"") -> Any:
    """Return the tensor of a request, in JSON or binary."""
    given = {"parameters": {"binary_data_size": len(binary)}} if binary else {"data": data}
    head = json.dumps({"inputs": [{"name": "images", "datatype": datatype, "shape": shape, **given}]}).encode()
    return parse_infer(head + binary, b"%d" % len(head) if binary else None, SHAPE).tensor


def typed(shape: list[int], datatype: str, values: list[Any]) -> Any:
    """Return the tensor of a gRPC request with typed contents."""
    request = grpc_messages.ModelInferRequest()
    contents = {grpc_messages.CONTENTS[datatype]: values}
    request.inputs.add(name="images", datatype=datatype, shape=shape, contents=contents)
    return grpc_messages.read_infer(request, SHAPE).tensor


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("datatype", TYPES)
def test_each_layout_and_type_is_the_same_images(shape: list[int], datatype: str) -> None:
    """Flat or nested JSON, binary, and gRPC's typed contents all give the network's uint8."""
    values = IMAGES.astype(TYPES[datatype]).reshape(shape)
    flat = values.ravel().tolist()
    for tensor in (
        parse(shape, datatype, values.tolist()),
        parse(shape, datatype, flat),
        parse(shape, datatype, None, values.tobytes()),
        typed(shape, datatype, flat),
    ):
        assert tensor.dtype == np.uint8
        assert tensor.shape == IMAGES.shape
        assert (tensor == IMAGES).all()


@pytest.mark.parametrize("datatype", ["UINT8", "INT32", "INT64"])
def test_a_whole_number_with_a_point_is_whole(datatype: str) -> None:
    """`7.0` is 7, and 1.0 is 1 where the type says that no fractions are meant."""
    assert (parse([1, 784], datatype, [7.0] * 784) == 7).all()
    assert (parse([1, 784], datatype, [1.0, 0] * 392)[0, 0, :2] == [1, 0]).all()


@pytest.mark.parametrize(
    ("datatype", "value", "said"),
    [
        ("FP32", 0.5, "between 0 and 1, which is ambiguous"),
        ("FP32", 1.0, "between 0 and 1, which is ambiguous"),
        ("FP32", 7.5, "has fractions in it, such as 7.5"),
        ("FP32", -0.5, "runs from -0.5 to -0.5"),
        ("FP32", float("nan"), "runs from nan to nan"),
        ("FP32", float("inf"), "runs from inf to inf"),
        ("FP32", 255.5, "runs from 255.5"),
        ("INT32", -1, "runs from -1 to -1"),
        ("INT64", 256, "runs from 256 to 256"),
        ("INT64", 2**62, "runs from 4611686018427387904"),
    ],
)
def test_what_is_no_pixel_is_refused(datatype: str, value: float, said: str) -> None:
    """The same values are refused with the same reason in binary and in typed contents; none is cut to fit."""
    values = np.full(784, value, TYPES[datatype])
    with pytest.raises(RequestError, match=said):
        parse([1, 784], datatype, None, values.tobytes())
    with pytest.raises(RequestError, match=said):
        typed([1, 784], datatype, values.tolist())


@pytest.mark.parametrize("datatype", TYPES)
def test_fractions_up_to_one_are_called_ambiguous_in_every_type(datatype: str) -> None:
    """Their sender has scaled the pixels, whatever he calls their type."""
    with pytest.raises(RequestError, match="between 0 and 1, which is ambiguous"):
        parse([1, 784], datatype, [0.25, 1] * 392)


def test_a_blank_image_is_not_ambiguous() -> None:
    """Zeros mean the same in every reading."""
    assert not parse([1, 28, 28], "FP32", None, bytes(4 * 784)).any()


@pytest.mark.parametrize("shape", [[28, 28, 1], [1, 28], [784], [1, 28, 1, 28], [1, 1, 1, 28, 28], [1, 2, 28, 28]])
def test_another_layout_is_refused_with_all_that_are_taken(shape: list[int]) -> None:
    """What could be read in more than one way is not guessed at."""
    with pytest.raises(RequestError, match=r"expected \['N', 28, 28\], \['N', 1, 28, 28\], .* or \['N', 784\] with N"):
        parse(shape, "UINT8", [0] * int(np.prod(shape)))


def test_the_networks_own_type_is_not_copied() -> None:
    """The usual tensor takes the short way."""
    assert to_uint8(IMAGES, is_float=False) is IMAGES
