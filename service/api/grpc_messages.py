"""Open Inference over gRPC: the protobuf messages, what a request says, and what an answer is.

Source: the KServe "Open Inference Protocol" specification, its gRPC part, as protos/open_inference.proto writes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from service.api.classes import PARAMETER, best_classes, class_count
from service.api.model_statistics import StatisticsAnswer
from service.api.tensors import (
    DATATYPES,
    InputTensor,
    RequestedOutput,
    Tensor,
    check_count,
    check_input,
    check_parameters,
    no_output,
    pack,
    unpack,
)
from service.contract import MAX_TENSORS
from service.errors import RequestError

COMPILED: Final = Path(__file__).with_name("protos") / "protos.binpb"
CONTENTS: Final = {
    "UINT8": "uint_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "BYTES": "bytes_contents",
}
"""The field of InferTensorContents for each datatype of an input."""
FIELDS: Final = {"FP32": "fp32_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}
"""The same for each datatype of an output."""


def _load() -> DescriptorPool:
    """Read the compiled messages into a pool of their own.

    The pool that all of a process share would refuse them beside a client's generated modules: the names are the same.
    """
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(COMPILED.read_bytes()).file:
        pool.Add(file)
    return pool


_POOL: Final = _load()


def message(name: str) -> Any:
    """Return the class of a message, by its full name."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(name))


ServerLiveResponse: Final = message("inference.ServerLiveResponse")
ServerReadyResponse: Final = message("inference.ServerReadyResponse")
ServerMetadataResponse: Final = message("inference.ServerMetadataResponse")
ModelReadyRequest: Final = message("inference.ModelReadyRequest")
ModelReadyResponse: Final = message("inference.ModelReadyResponse")
ModelMetadataRequest: Final = message("inference.ModelMetadataRequest")
ModelMetadataResponse: Final = message("inference.ModelMetadataResponse")
ModelInferRequest: Final = message("inference.ModelInferRequest")
ModelInferResponse: Final = message("inference.ModelInferResponse")
ModelConfigRequest: Final = message("inference.ModelConfigRequest")
ModelConfigResponse: Final = message("inference.ModelConfigResponse")
ModelStatisticsRequest: Final = message("inference.ModelStatisticsRequest")
ModelStatisticsResponse: Final = message("inference.ModelStatisticsResponse")
RepositoryIndexRequest: Final = message("inference.RepositoryIndexRequest")
RepositoryIndexResponse: Final = message("inference.RepositoryIndexResponse")
HealthCheckRequest: Final = message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse: Final = message("grpc.health.v1.HealthCheckResponse")


class InferCall(NamedTuple):
    """A well-formed request: one input tensor, the outputs wanted (none means all), and its form.

    `raw` says whether tensors are bytes, or else typed values; the answer's have the form of the question's.
    """

    id: str
    tensor: Tensor
    outputs: tuple[RequestedOutput, ...]
    raw: bool


def parse(kind: Any, data: bytes) -> Any:
    """Read a message.

    Raises:
        RequestError: the bytes are no such message; text that is not UTF-8 is none either.
    """
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise RequestError(f"the {len(data)} bytes are no {kind.DESCRIPTOR.full_name} ({str(error)[:100]})") from error


def read_infer(request: Any, image_shape: tuple[int, ...]) -> InferCall:
    """Read a ModelInferRequest for a model whose `images` have this height and width.

    Raises:
        RequestError: anything that is not as the specification or the model's metadata says.
    """
    check_count(len(request.inputs))
    given = request.inputs[0]
    checked = check_input(given.name, given.datatype, list(given.shape), image_shape)
    name = checked.name
    check_parameters(_values(given.parameters), f"input {name!r}", "binary_data_size")
    check_parameters(_values(request.parameters), "the request", "binary_data_output")
    if len(request.outputs) > MAX_TENSORS:
        raise RequestError(f"'outputs' has {len(request.outputs)} entries, at most {MAX_TENSORS} are taken")
    outputs = tuple(_read_output(output) for output in request.outputs)
    raw = request.raw_input_contents
    typed = [field.name for field, _ in given.contents.ListFields()]
    if raw and typed:
        raise RequestError(f"input {name!r} has both raw_input_contents and {typed[0]}, expected one of them")
    if len(raw) > 1:
        raise RequestError(f"raw_input_contents has {len(raw)} entries, expected one, as there is one input")
    tensor = unpack(checked, raw[0]) if raw else _read_typed(checked, given.contents, typed)
    return InferCall(request.id, tensor, outputs, raw=bool(raw))


def write_infer(
    model: str, version: str, call: InferCall, tensors: Mapping[str, NDArray[Any]], labels: Sequence[str]
) -> bytes:
    """Write the answer: the outputs asked for, in that order, in the form of the request; `labels` are the classes'.

    Raises:
        RequestError: an output that does not exist was asked for.
    """
    answer = ModelInferResponse(model_name=model, model_version=version, id=call.id)
    for name, _, classes in call.outputs or map(RequestedOutput, tensors):
        tensor = tensors.get(name)
        if tensor is None:
            raise no_output(name, tensors)
        if classes:
            tensor = best_classes(tensor, classes, labels)
        datatype = DATATYPES[tensor.dtype]
        output = answer.outputs.add(name=name, datatype=datatype, shape=tensor.shape)
        if call.raw:
            answer.raw_output_contents.append(pack(tensor))
        else:
            values = [text.encode() for text in tensor.flat] if datatype == "BYTES" else tensor.ravel()
            getattr(output.contents, FIELDS[datatype]).extend(values)
    return bytes(answer.SerializeToString())


def write_metadata(metadata: Mapping[str, Any]) -> bytes:
    """Write a model's metadata, given as the protocol's JSON has it; parameters have no place in the message."""
    fields = {name: value for name, value in metadata.items() if name != "parameters"}
    return bytes(ModelMetadataResponse(**fields).SerializeToString())


def write_statistics(statistics: StatisticsAnswer) -> bytes:
    """Write statistics, given as the extension's JSON has them; `batch_stats`, always empty, is left out."""
    models = [
        {name: value for name, value in one.items() if name != "batch_stats"} for one in statistics["model_stats"]
    ]
    return bytes(ModelStatisticsResponse(model_stats=models).SerializeToString())


def _read_output(output: Any) -> RequestedOutput:
    parameters = _values(output.parameters)
    check_parameters(parameters, f"output {output.name[:100]!r}", "binary_data", PARAMETER)
    return RequestedOutput(output.name, classes=class_count(parameters.get(PARAMETER), output.name))


def _read_typed(given: InputTensor, contents: Any, typed: list[str]) -> Tensor:
    name, field = given.name, CONTENTS[given.datatype]
    if typed != [field]:
        found = ", ".join(typed) or "neither contents nor raw_input_contents"
        raise RequestError(f"input {name!r} has {found}, expected its values in contents.{field}")
    values = getattr(contents, field)
    if len(values) != math.prod(given.shape):
        raise RequestError(f"input {name!r} has {len(values)} values in {field}, expected {math.prod(given.shape)}")
    if name == "pictures":
        return list(values)
    return given.images(np.array(values, np.float32 if given.datatype == "FP32" else np.int64))


def _values(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as plain values; one that holds none of its kinds is None."""
    kinds = {name: value.WhichOneof("parameter_choice") for name, value in parameters.items()}
    return {name: getattr(parameters[name], kind) if kind else None for name, kind in kinds.items()}
