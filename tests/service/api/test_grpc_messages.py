"""The gRPC messages of the Open Inference Protocol: what is taken, what is refused, what an answer looks like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc_calls import bars, images_request

from service.api import grpc_messages as messages
from service.api.tensors import RequestedOutput
from service.errors import RequestError

SHAPE = (28, 28)
FILES = [b"one", b"", b"\x00\xff" * 9]


def typed(name: str, datatype: str, shape: list[int], **contents: Any) -> Any:
    """A request with typed contents."""
    request = messages.ModelInferRequest(model_name="digits")
    request.inputs.add(name=name, datatype=datatype, shape=shape, contents=contents)
    return request


def wanted(*names: str) -> tuple[RequestedOutput, ...]:
    """Outputs as they are."""
    return tuple(RequestedOutput(name) for name in names)


def test_raw_and_typed_images_are_the_same() -> None:
    """Two ways to write one tensor give one tensor."""
    images = bars(2)
    raw = messages.read_infer(images_request(images, id="a"), SHAPE)
    values = messages.read_infer(typed("images", "UINT8", [2, 28, 28], uint_contents=images.ravel().tolist()), SHAPE)
    for call in (raw, values):
        assert isinstance(call.tensor, np.ndarray)
        assert (call.tensor == images).all()
    assert (raw.id, raw.raw, values.raw) == ("a", True, False)


@pytest.mark.parametrize("shape", [[2, 28, 28], [2, 1, 28, 28], [2, 28, 28, 1], [2, 784]])
@pytest.mark.parametrize(
    ("datatype", "dtype", "field"),
    [
        ("UINT8", "u1", "uint_contents"),
        ("INT32", "<i4", "int_contents"),
        ("INT64", "<i8", "int64_contents"),
        ("FP32", "<f4", "fp32_contents"),
    ],
)
def test_images_may_come_in_any_layout_and_type(shape: list[int], datatype: str, dtype: str, field: str) -> None:
    """Raw or typed, they become the same uint8 [N, 28, 28]."""
    images = bars(2)
    raw = messages.ModelInferRequest()
    raw.inputs.add(name="images", datatype=datatype, shape=shape)
    raw.raw_input_contents.append(images.astype(dtype).tobytes())
    for request in (raw, typed("images", datatype, shape, **{field: images.ravel().tolist()})):
        tensor = messages.read_infer(request, SHAPE).tensor
        assert isinstance(tensor, np.ndarray)
        assert tensor.dtype == np.uint8
        assert tensor.shape == images.shape
        assert (tensor == images).all()


def test_raw_and_typed_pictures_are_the_same() -> None:
    """Files with a length before each, or as elements of bytes_contents."""
    raw = messages.ModelInferRequest()
    raw.inputs.add(name="pictures", datatype="BYTES", shape=[3])
    raw.raw_input_contents.append(b"".join(len(file).to_bytes(4, "little") + file for file in FILES))
    for request in (raw, typed("pictures", "BYTES", [3], bytes_contents=FILES)):
        assert messages.read_infer(request, SHAPE).tensor == FILES


def _second(request: Any) -> None:
    request.inputs.add(name="pictures", datatype="BYTES", shape=[1])


def _both(request: Any) -> None:
    request.inputs[0].contents.uint_contents.append(1)


def _short(request: Any) -> None:
    request.raw_input_contents[0] = bytes(783)


def _neither(request: Any) -> None:
    del request.raw_input_contents[:]


def _two_raw(request: Any) -> None:
    request.raw_input_contents.append(b"")


def _huge(request: Any) -> None:
    request.inputs[0].shape[:] = [2**62, 28, 28]


def _wrong_field(request: Any) -> None:
    _neither(request)
    request.inputs[0].contents.int_contents.extend([0] * 784)


def _too_bright(request: Any) -> None:
    _neither(request)
    request.inputs[0].contents.uint_contents.extend([256] * 784)


def _too_few(request: Any) -> None:
    _neither(request)
    request.inputs[0].contents.uint_contents.extend([0] * 783)


def _outputs(request: Any) -> None:
    for _ in range(17):
        request.outputs.add(name="digit")


def _parameter(request: Any) -> None:
    request.inputs[0].parameters["shared_memory_region"].string_param = "a"


def _class_count(request: Any) -> None:
    request.outputs.add(name="digit").parameters["classification"].int64_param = 3


def _made_up(request: Any) -> None:
    request.parameters["colour"].double_param = 1.5


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_second, "2 inputs, expected exactly one"),
        (_both, "both raw_input_contents and uint_contents, expected one of them"),
        (_short, "783 bytes, expected 784"),
        (_neither, r"neither contents nor raw_input_contents, expected its values in contents\.uint_contents"),
        (_two_raw, "2 entries, expected one"),
        (_huge, f"784 bytes, expected {2**62 * 784}"),
        (_wrong_field, r"has int_contents, expected its values in contents\.uint_contents"),
        (_too_bright, "runs from 256 to 256; expected whole numbers from 0 to 255"),
        (_too_few, "783 values in uint_contents, expected 784"),
        (_outputs, "17 entries, at most 16"),
        (_parameter, "'shared_memory_region', which this server does not support"),
        (_class_count, "'digit' has no scores to choose the best 3 classes by"),
        (_made_up, "'colour', which this server does not support"),
    ],
)
def test_what_is_not_as_specified_is_refused_with_a_reason(spoil: Callable[[Any], None], said: str) -> None:
    """Each fault has its own message, with what was found and what was expected."""
    request = images_request(bars(1))
    spoil(request)
    with pytest.raises(RequestError, match=said):
        messages.read_infer(request, SHAPE)


def test_parameters_that_ask_for_nothing_pass() -> None:
    """Clients send some of them in every request."""
    request = images_request(bars(1))
    request.inputs[0].parameters["binary_data_size"].int64_param = 784
    request.parameters["sequence_id"].int64_param = 0
    request.parameters["priority"].uint64_param = 0
    request.outputs.add(name="digit").parameters["binary_data"].bool_param = True
    assert messages.read_infer(request, SHAPE).outputs == wanted("digit")


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\x12" * 99])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    """Cut fields, text that is not UTF-8, lengths beyond the end."""
    with pytest.raises(RequestError, match=r"bytes are no inference\.ModelInferRequest"):
        messages.parse(messages.ModelInferRequest, data)


@pytest.mark.parametrize("raw", [True, False])
def test_the_answer_has_the_form_of_the_question(raw: bool) -> None:
    """Bytes for bytes and values for values, the outputs in the order asked for."""
    tensors = {
        "probabilities": np.array([[0.25, 0.75]], np.float32),
        "digit": np.array([-1]),
        "rejected": np.array(["unsure"], object),
    }
    call = messages.InferCall("a", bars(1), wanted("rejected", "digit", "probabilities"), raw)
    answer = messages.ModelInferResponse.FromString(messages.write_infer("digits", "1", call, tensors, "01"))
    assert [(one.name, one.datatype, list(one.shape)) for one in answer.outputs] == [
        ("rejected", "BYTES", [1]),
        ("digit", "INT64", [1]),
        ("probabilities", "FP32", [1, 2]),
    ]
    if raw:
        assert list(answer.raw_output_contents) == [
            b"\x06\x00\x00\x00unsure",
            (-1).to_bytes(8, "little", signed=True),
            np.array([0.25, 0.75], "<f4").tobytes(),
        ]
    else:
        rejected, digit, probabilities = (output.contents for output in answer.outputs)
        assert not answer.raw_output_contents
        assert list(rejected.bytes_contents) == [b"unsure"]
        assert list(digit.int64_contents) == [-1]
        assert list(probabilities.fp32_contents) == [0.25, 0.75]
    with pytest.raises(RequestError, match="no output 'nothing', expected some of"):
        messages.write_infer("digits", "1", call._replace(outputs=wanted("nothing")), tensors, "01")


def test_the_compiled_messages_are_those_of_their_sources(tmp_path: Path) -> None:
    """`make protos` would change nothing."""
    folder = messages.COMPILED.parent
    sources = ["open_inference.proto", "health.proto"]
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--descriptor_set_out={tmp_path / 'new'}", *sources]
    subprocess.run(command, cwd=folder, check=True)
    assert (tmp_path / "new").read_bytes() == messages.COMPILED.read_bytes()
