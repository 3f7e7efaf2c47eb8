"""What requests and answers of the Open Inference Protocol look like in JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, PositiveInt
from typing_extensions import TypedDict

from service.api.schemas import Fact
from service.contract import MAX_TENSORS

Pixel = Annotated[int, Field(ge=0, le=255)]
Base64 = Annotated[str, Field(json_schema_extra={"format": "picture-base64"})]
Name = Annotated[str, Fact("name")]
Version = Annotated[str, Fact("version")]


class ServerMetadata(TypedDict):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    """An input or output; -1 in its shape stands for any number."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(TypedDict):
    """The model that is served."""

    name: Name
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: dict[str, str]


class ModelReady(TypedDict):
    """Whether the model takes requests."""

    name: Name
    ready: bool


class Live(TypedDict):
    """Whether the server lives."""

    live: bool


class Ready(TypedDict):
    """Whether the server takes requests."""

    ready: bool


class ImagesInput(TypedDict):
    """Images as the network sees them; `data` nested or flat."""

    name: Literal["images"]
    datatype: Literal["UINT8", "INT32", "INT64", "FP32"]
    shape: Annotated[list[int], Fact("images")]
    data: Annotated[list[Pixel | list[Any]], Field(min_length=1)]


class PicturesInput(TypedDict):
    """Picture files in base64."""

    name: Literal["pictures"]
    datatype: Literal["BYTES"]
    shape: Annotated[list[PositiveInt], Field(min_length=1, max_length=1)]
    data: Annotated[list[Base64], Field(min_length=1)]


class OutputParameters(TypedDict, total=False):
    """How an output is to be written."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    binary_data: bool
    classification: Annotated[
        int, Field(ge=0, description="how many of the best classes, as value:index:label; of probabilities and logits")
    ]


class WantedOutput(TypedDict):
    """An output that is asked for."""

    name: Annotated[str, Fact("outputs")]
    parameters: NotRequired[OutputParameters]


class RequestParameters(TypedDict, total=False):
    """How all outputs are to be written."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    binary_data_output: bool


class InferRequestBody(TypedDict):
    """One input tensor, and the outputs that are wanted: all, if none is named."""

    id: NotRequired[str]
    inputs: Annotated[list[ImagesInput | PicturesInput], Field(min_length=1, max_length=1)]
    outputs: NotRequired[Annotated[list[WantedOutput], Field(max_length=MAX_TENSORS)]]
    parameters: NotRequired[RequestParameters]


class BinarySize(TypedDict):
    """How many bytes behind the JSON are this tensor's."""

    binary_data_size: int


class OutputTensor(TypedDict):
    """One output; `data` is flat, and missing where the tensor is binary."""

    name: str
    datatype: Literal["FP32", "INT64", "BYTES"]
    shape: list[int]
    data: NotRequired[list[float | str]]
    parameters: NotRequired[BinarySize]


class InferAnswer(TypedDict):
    """The outputs that were asked for, in that order."""

    model_name: Name
    model_version: Version
    id: NotRequired[str]
    outputs: list[OutputTensor]
