"""Open Inference Protocol (V2) over REST, JSON and the binary tensor extension: what a request says, what an answer is.

Source: the KServe "Open Inference Protocol" specification and Triton's "Binary Tensor Data Extension". Here is only the
wire format; the routes are in service/api/open_inference.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
from numpy.typing import NDArray

from service.api.classes import PARAMETER, best_classes, class_count
from service.api.layouts import from_nested
from service.api.picture_text import decode_text
from service.api.tensors import (
    DATATYPES,
    RequestedOutput,
    Tensor,
    check_count,
    check_input,
    check_parameters,
    no_output,
    pack,
    shown,
    unpack,
)
from service.contract import MAX_TENSORS
from service.errors import RequestError, UndecodablePicture
from service.gateway.messages import Reply, json_reply

HEADER_LENGTH: Final = b"inference-header-content-length"
OCTETS: Final = b"application/octet-stream"


class InferRequest(NamedTuple):
    """A well-formed request: one input tensor (uint8 [N, 28, 28], or N encoded files) and the outputs wanted.

    `outputs` is empty where the caller named none, which means all, binary if `binary_output` says so.
    """

    id: str | None
    name: str
    tensor: Tensor
    outputs: tuple[RequestedOutput, ...]
    binary_output: bool


def parse_infer(body: bytes, header_length: bytes | None, image_shape: tuple[int, ...]) -> InferRequest:
    """Read an infer request.

    Args:
        body: JSON, followed by binary tensors if `header_length` says where the JSON ends.
        header_length: value of Inference-Header-Content-Length, or None.
        image_shape: height and width of the `images` input.

    Raises:
        RequestError: anything that is not as the specification or the model's metadata says.
    """
    if header_length is None:
        header, binary = body, memoryview(b"")
    else:
        # The number of digits first: int() itself refuses thousands of them with an error of its own.
        if not header_length.isdigit() or len(header_length) > 12 or not 0 < int(header_length) <= len(body):
            raise RequestError(
                f"Inference-Header-Content-Length is {header_length[:20].decode('latin-1')!r}, "
                f"expected the length of the JSON part, 1 to {len(body)} bytes"
            )
        header, binary = body[: int(header_length)], memoryview(body)[int(header_length) :]
    content = _load(header)
    inputs = _list(content, "inputs", required=True)
    check_count(len(inputs))
    name, tensor = _read_input(inputs[0], binary, image_shape)
    parameters = _parameters(content, "the request", "binary_data_output")
    request_id = content.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RequestError(f"'id' is {shown(request_id)}, expected a string")
    binary_output = _flag(parameters, "binary_data_output", default=False)
    outputs = tuple(_read_output(output, binary_output) for output in _list(content, "outputs"))
    return InferRequest(request_id, name, tensor, outputs, binary_output)


def write_infer(
    model: str,
    version: str,
    request: InferRequest,
    tensors: dict[str, NDArray[Any]],
    labels: Sequence[str],
) -> Reply:
    """Write the answer: the outputs asked for, in that order, each as JSON or binary; `labels` are the classes'.

    Raises:
        RequestError: an output that does not exist was asked for.
    """
    wanted = request.outputs or tuple(RequestedOutput(name, request.binary_output) for name in tensors)
    outputs: list[dict[str, Any]] = []
    binary: list[bytes] = []
    for name, is_binary, classes in wanted:
        tensor = tensors.get(name)
        if tensor is None:
            raise no_output(name, tensors)
        if classes:
            tensor = best_classes(tensor, classes, labels)
        output: dict[str, Any] = {"name": name, "datatype": DATATYPES[tensor.dtype], "shape": tensor.shape}
        if is_binary:
            binary.append(pack(tensor))
            output["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            output["data"] = tensor.ravel() if tensor.dtype != object else tensor.ravel().tolist()
        outputs.append(output)
    content: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        content["id"] = request.id
    content["outputs"] = outputs
    reply = json_reply(content)
    if not binary:
        return reply
    header = reply.body
    return Reply(200, b"".join([header, *binary]), OCTETS, ((HEADER_LENGTH, b"%d" % len(header)),))


def _load(header: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(header)
    except ValueError as error:
        raise RequestError(
            f"the request is not JSON ({str(error)[:100]}); where binary tensors follow, "
            "Inference-Header-Content-Length must give the length of the JSON part"
        ) from error
    if not isinstance(content, dict):
        raise RequestError(f"the request is a JSON {type(content).__name__}, expected an object with 'inputs'")
    return content


def _read_input(entry: object, binary: memoryview, image_shape: tuple[int, ...]) -> tuple[str, Tensor]:
    if not isinstance(entry, dict):
        raise RequestError(f"an input is {shown(entry)}, expected an object with name, datatype, shape and data")
    given = check_input(entry.get("name"), entry.get("datatype"), entry.get("shape"), image_shape)
    name = given.name
    size = _parameters(entry, f"input {name!r}", "binary_data_size").get("binary_data_size")
    if size is None:
        data = _list(entry, "data", required=True)
        return name, given.images(from_nested(data)) if name == "images" else _json_pictures(data, given.shape[0])
    if type(size) is not int or size != len(binary):
        raise RequestError(
            f"input {name!r} has binary_data_size {shown(size)}, but {len(binary)} bytes follow the JSON"
        )
    return name, unpack(given, binary)


def _json_pictures(data: list[Any], count: int) -> list[bytes]:
    if len(data) != count or not all(isinstance(text, str) for text in data):
        raise RequestError(f"the data of 'pictures' must be a list of {count} base64 strings, one for each file")
    pictures = []
    for number, text in enumerate(data):
        try:
            pictures.append(decode_text(text))
        except UndecodablePicture as error:
            raise UndecodablePicture(f"pictures[{number}]: {error}") from error
    return pictures


def _read_output(entry: object, default_binary: bool) -> RequestedOutput:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise RequestError(f"an output is {shown(entry)}, expected an object with a name")
    name = entry["name"]
    if "parameters" not in entry:
        return RequestedOutput(name, default_binary)
    parameters = _parameters(entry, f"output {name[:100]!r}", "binary_data", PARAMETER)
    binary = _flag(parameters, "binary_data", default=default_binary)
    return RequestedOutput(name, binary, class_count(parameters.get(PARAMETER), name))


def _list(content: dict[str, Any], key: str, *, required: bool = False) -> list[Any]:
    value = content.get(key)
    if value is None and not required:
        return []
    if not isinstance(value, list):
        raise RequestError(f"{key!r} is {shown(value)}, expected a list")
    if key != "data" and len(value) > MAX_TENSORS:
        raise RequestError(f"{key!r} has {len(value)} entries, at most {MAX_TENSORS} are taken")
    return value


def _parameters(content: dict[str, Any], owner: str, *known: str) -> dict[str, Any]:
    """Return the parameters of a request, an input or an output, of which some are known.

    Raises:
        RequestError: another one is there.
    """
    parameters = content.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise RequestError(f"'parameters' is {shown(parameters)}, expected an object")
    check_parameters(parameters, owner, *known)
    return parameters


def _flag(parameters: dict[str, Any], key: str, *, default: bool) -> bool:
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        raise RequestError(f"{key!r} is {shown(value)}, expected true or false")
    return value
