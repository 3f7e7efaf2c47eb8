"""The wire format of the Open Inference Protocol: what is taken, what is refused and how, what an answer looks like."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from service.api.open_inference_wire import (
    HEADER_LENGTH,
    OCTETS,
    InferRequest,
    parse_infer,
    write_infer,
)
from service.api.tensors import RequestedOutput
from service.errors import RequestError

SHAPE = (28, 28)


def entry(**changes: Any) -> dict[str, Any]:
    """One well-formed JSON input of one image, with changes."""
    return {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": [0] * 784, **changes}


def parse(content: object) -> InferRequest:
    """Parse a JSON request."""
    return parse_infer(json.dumps(content).encode(), None, SHAPE)


def parse_binary(header: dict[str, Any], binary: bytes) -> InferRequest:
    """Parse a request with a binary tensor behind its JSON."""
    text = json.dumps(header).encode()
    return parse_infer(text + binary, str(len(text)).encode(), SHAPE)


def test_flat_and_nested_json_and_binary_data_are_the_same_images() -> None:
    """Three ways to write one tensor give one tensor."""
    images = np.arange(2 * 784, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)
    flat = parse({"inputs": [entry(shape=[2, 28, 28], data=images.ravel().tolist())]})
    nested = parse({"inputs": [entry(shape=[2, 28, 28], data=images.tolist())]})
    header = entry(shape=[2, 28, 28], parameters={"binary_data_size": images.size})
    del header["data"]
    binary = parse_binary({"inputs": [header]}, images.tobytes())
    for request in (flat, nested, binary):
        assert isinstance(request.tensor, np.ndarray)
        assert request.tensor.dtype == np.uint8
        assert (request.tensor == images).all()


def test_whole_numbers_may_be_written_with_a_point() -> None:
    """JSON has one kind of number: 7.0 is 7."""
    request = parse({"inputs": [entry(data=[7.0] * 784)]})
    assert isinstance(request.tensor, np.ndarray)
    assert request.tensor.dtype == np.uint8
    assert (request.tensor == 7).all()


def test_pictures_come_as_base64_or_length_prefixed_bytes() -> None:
    """Encoded files travel in JSON as base64, in binary with a length before each."""
    files = [b"one", b"", b"\x00\xff" * 9]
    spec = {"name": "pictures", "datatype": "BYTES", "shape": [3]}
    text = parse({"inputs": [{**spec, "data": [base64.b64encode(f).decode() for f in files]}]})
    packed = b"".join(len(f).to_bytes(4, "little") + f for f in files)
    binary = parse_binary({"inputs": [{**spec, "parameters": {"binary_data_size": len(packed)}}]}, packed)
    assert text.tensor == binary.tensor == files
    spelt = [base64.encodebytes(files[2]).decode(), base64.urlsafe_b64encode(files[2]).decode().rstrip("=")]
    uri = f"data:image/heic;base64,{spelt[1]}"
    assert parse({"inputs": [{**spec, "data": [*spelt, uri]}]}).tensor == [files[2]] * 3  # as /predict takes them


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is a JSON list, expected an object"),
        ({}, "'inputs' is None, expected a list"),
        ({"inputs": []}, "has 0 inputs, expected exactly one"),
        ({"inputs": [entry(), entry()]}, "has 2 inputs, expected exactly one"),
        ({"inputs": [entry()] * 17}, "'inputs' has 17 entries, at most 16"),
        ({"inputs": [7]}, "an input is 7, expected an object"),
        ({"inputs": [entry(name="pixels")]}, "named 'pixels', expected 'images' or 'pictures'"),
        ({"inputs": [entry(name=["images"])]}, r"named \['images'\], expected"),
        ({"inputs": [entry(datatype="FP64")]}, "datatype 'FP64', expected 'UINT8', 'INT32', 'INT64' or 'FP32'"),
        ({"inputs": [entry(datatype=["UINT8"])]}, r"datatype \['UINT8'\], expected 'UINT8'"),
        ({"inputs": [entry(shape=[1, 783])]}, r"shape \[1, 783\], expected \['N', 28, 28\], \['N', 1, 28, 28\], "),
        ({"inputs": [entry(shape=[])]}, "N of 1 or more"),
        ({"inputs": [entry(shape=[0, 28, 28])]}, "N of 1 or more"),
        ({"inputs": [entry(shape=[-1, 28, 28])]}, "N of 1 or more"),
        ({"inputs": [entry(shape=[True, 28, 28])]}, "N of 1 or more"),
        ({"inputs": [entry(shape="1,28,28")]}, "shape '1,28,28', expected"),
        ({"inputs": [entry(data=None)]}, "'data' is None, expected a list"),
        ({"inputs": [entry(data=[0] * 783)]}, r"shape \[783\], expected \[1, 28, 28\]"),
        ({"inputs": [entry(data=[256] * 784)]}, "whole numbers from 0 to 255"),
        ({"inputs": [entry(data=[0.5] * 784)]}, "whole numbers from 0 to 255"),
        ({"inputs": [entry(data=[[1, 2], [3]])]}, "not a regular array"),
        ({"inputs": [entry(data=[])]}, r"shape \[0\], expected \[1, 28, 28\]"),
        ({"inputs": [entry(data=[-1] * 784)]}, "runs from -1 to -1; expected whole numbers from 0 to 255"),
        ({"inputs": [entry(data=[True] * 784)]}, "must be numbers"),
        ({"inputs": [entry(data=[2**70] * 784)]}, r"runs from 1\.18\S+ to 1\.18\S+; expected whole numbers"),
        ({"inputs": [entry(data=[2.5] * 784)]}, "has fractions in it, such as 2.5"),
        ({"inputs": [entry(datatype="FP32", data=[0, 1] * 392)]}, "between 0 and 1, which is ambiguous"),
        ({"inputs": [entry(data=["0"] * 784)]}, "whole numbers from 0 to 255"),
        ({"inputs": [entry(parameters=3)]}, "'parameters' is 3, expected an object"),
        ({"inputs": [entry(parameters={"binary_data_size": 784})]}, "binary_data_size 784, but 0 bytes follow"),
        ({"inputs": [entry()], "id": 5}, "'id' is 5, expected a string"),
        ({"inputs": [entry()], "outputs": ["digit"]}, "an output is 'digit', expected an object with a name"),
        (
            {"inputs": [entry()], "outputs": [{"name": "digit", "parameters": {"binary_data": 1}}]},
            "'binary_data' is 1, expected true or false",
        ),
        ({"inputs": [entry()], "parameters": {"binary_data_output": "yes"}}, "'binary_data_output' is 'yes'"),
        ({"inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [1], "data": ["*"]}]}, "not base64"),
        ({"inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [2], "data": [""]}]}, "list of 2 base64"),
    ],
)
def test_what_is_wrong_is_said(content: object, message: str) -> None:
    """Each lie about name, shape, dtype, size or type gets an error that names what was expected."""
    with pytest.raises(RequestError, match=message):
        parse(content)


TRITONS = {
    "sequence_id": 7,
    "sequence_start": True,
    "sequence_end": True,
    "priority": 1,
    "timeout": 1000,
    "shared_memory_region": "mine",
    "shared_memory_byte_size": 64,
    "shared_memory_offset": 8,
    "content_type": "np",
    "binary_data_sise": 784,
}


@pytest.mark.parametrize(("name", "value"), TRITONS.items())
@pytest.mark.parametrize("place", ["request", "input", "output"])
def test_a_parameter_that_is_not_done_is_refused_by_name(name: str, value: object, place: str) -> None:
    """Ignored, it would leave its caller with an answer to another question, or memory that nobody wrote."""
    parameters = {"parameters": {name: value}}
    content = {"inputs": [entry()], "outputs": [{"name": "digit"}]}
    if place == "request":
        content |= parameters
    else:
        content[f"{place}s"][0] |= parameters
    with pytest.raises(RequestError, match=f"has the parameter '{name}', which this server does not support: .{{9}}"):
        parse(content)


def test_tritons_neutral_values_ask_for_nothing() -> None:
    """What its clients send for "no sequence, usual priority" is answered."""
    parse({"inputs": [entry()], "parameters": {"sequence_id": 0, "priority": 0, "sequence_start": False}})
    parse({"inputs": [entry()], "outputs": [{"name": "digit", "parameters": {"classification": 0}}]})


@pytest.mark.parametrize("length", [b"0", b"-1", b"9999999", b"abc", b"1e3", b"", b"\xb2"])
def test_a_header_length_outside_the_body_is_refused(length: bytes) -> None:
    """Inference-Header-Content-Length must lie within the body."""
    with pytest.raises(RequestError, match="Inference-Header-Content-Length is"):
        parse_infer(json.dumps({"inputs": [entry()]}).encode(), length, SHAPE)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b"NaN"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Also nesting beyond Python's recursion limit is an ordinary refusal."""
    with pytest.raises(RequestError):
        parse_infer(body, None, SHAPE)


def test_deeply_nested_data_is_refused() -> None:
    """A tensor nested beyond numpy's dimensions is no crash."""
    data = b"[" * 900 + b"1" + b"]" * 900
    body = b'{"inputs":[{"name":"images","datatype":"UINT8","shape":[1,28,28],"data":' + data + b"}]}"
    with pytest.raises(RequestError):
        parse_infer(body, None, SHAPE)


@pytest.mark.parametrize("packed", [b"", b"\x05\0\0\0abc", b"\x01\0\0\0ab", b"\xff\xff\xff\xffab", b"\0\0\0"])
def test_length_prefixes_that_lie_are_refused(packed: bytes) -> None:
    """Elements must fill the tensor exactly."""
    header = {"name": "pictures", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(packed)}}
    with pytest.raises(RequestError, match=r"complete elements, expected 1|binary_data_size"):
        parse_binary({"inputs": [header]}, packed)


LABELS = [str(label) for label in range(10)]
TENSORS = {
    "probabilities": np.full((2, 10), 0.1, np.float32),
    "digit": np.array([3, -1]),
    "rejected": np.array(["", "blank"], object),
}


def test_all_outputs_come_as_json_when_none_is_named() -> None:
    """The answer names model, version, id, and each tensor's type and shape."""
    reply = write_infer("digits", "1", InferRequest("abc", "images", [], (), binary_output=False), TENSORS, LABELS)
    answer = json.loads(reply.body)
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("digits", "1", "abc")
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [
        ("probabilities", "FP32", [2, 10]),
        ("digit", "INT64", [2]),
        ("rejected", "BYTES", [2]),
    ]
    assert answer["outputs"][1]["data"] == [3, -1]
    assert answer["outputs"][2]["data"] == ["", "blank"]


def test_named_outputs_come_in_order_each_in_its_form() -> None:
    """JSON and binary outputs mix; the header says where the JSON ends."""
    wanted = (
        RequestedOutput("digit", binary=True),
        RequestedOutput("rejected", binary=True),
        RequestedOutput("probabilities", binary=False),
    )
    reply = write_infer("digits", "1", InferRequest(None, "images", [], wanted, binary_output=False), TENSORS, LABELS)
    assert reply.content_type == OCTETS
    length = int(dict(reply.headers)[HEADER_LENGTH])
    answer = json.loads(reply.body[:length])
    assert "id" not in answer
    assert [o["name"] for o in answer["outputs"]] == ["digit", "rejected", "probabilities"]
    assert answer["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert np.frombuffer(reply.body, "<i8", 2, length).tolist() == [3, -1]
    assert reply.body[length + 16 :] == b"\0\0\0\0" + b"\x05\0\0\0blank"


def test_an_output_that_does_not_exist_is_refused() -> None:
    """The error lists what there is."""
    request = InferRequest(None, "images", [], (RequestedOutput("scores", binary=False),), binary_output=False)
    with pytest.raises(RequestError, match=r"no output 'scores', expected some of \['probabilities', 'digit'"):
        write_infer("digits", "1", request, TENSORS, LABELS)
