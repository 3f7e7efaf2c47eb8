"""Triton's model configuration extension: the model as its `config.pbtxt` would have it.

Source: Triton's "Model Configuration Extension" and model_config.proto.
"""

from __future__ import annotations

from typing import Final

from typing_extensions import TypedDict

from service.api.inference_types import ModelMetadata, Name, TensorMetadata
from service.model.artifact import MODEL_FILE
from service.settings import Settings

TYPES: Final = {"UINT8": "TYPE_UINT8", "BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT64": "TYPE_INT64"}


class Input(TypedDict):
    """An input; `dims` leaves out the number of images."""

    name: str
    data_type: str
    format: str
    dims: list[int]
    optional: bool


class Output(TypedDict):
    """An output; `dims` leaves out the number of images."""

    name: str
    data_type: str
    dims: list[int]


class InstanceGroup(TypedDict):
    """The processes that serve."""

    name: str
    kind: str
    count: int


class DynamicBatching(TypedDict):
    """How requests are joined."""

    max_queue_delay_microseconds: int


class Transactions(TypedDict):
    """Whether one request may have any number of answers."""

    decoupled: bool


class ModelConfig(TypedDict):
    """The model's configuration; both inputs are optional, as a request has one of them."""

    name: Name
    platform: str
    backend: str
    max_batch_size: int
    input: list[Input]
    output: list[Output]
    instance_group: list[InstanceGroup]
    dynamic_batching: DynamicBatching
    default_model_filename: str
    model_transaction_policy: Transactions


def model_config(metadata: ModelMetadata, settings: Settings) -> ModelConfig:
    """Write a model's configuration.

    `max_batch_size` is that of one run of the network: larger requests are answered too, in several runs.

    Args:
        metadata: the model's.
        settings: batching and processes.
    """
    kind = "KIND_CPU" if metadata["parameters"]["provider"] == "cpu" else "KIND_GPU"
    return {
        "name": metadata["name"],
        "platform": metadata["platform"],
        "backend": "onnxruntime",
        "max_batch_size": settings.max_batch,
        "input": [
            {
                "name": one["name"],
                "data_type": TYPES[one["datatype"]],
                "format": "FORMAT_NONE",
                "dims": _dims(one),
                "optional": True,
            }
            for one in metadata["inputs"]
        ],
        "output": [
            {"name": one["name"], "data_type": TYPES[one["datatype"]], "dims": _dims(one)}
            for one in metadata["outputs"]
        ],
        "instance_group": [{"name": metadata["name"], "kind": kind, "count": settings.workers}],
        "dynamic_batching": {"max_queue_delay_microseconds": int(settings.max_wait_ms * 1000)},
        "default_model_filename": MODEL_FILE,
        "model_transaction_policy": {"decoupled": False},
    }


def _dims(tensor: TensorMetadata) -> list[int]:
    """Return a shape without the number of images; Triton's configurations write a number alone as [1]."""
    return tensor["shape"][1:] or [1]
