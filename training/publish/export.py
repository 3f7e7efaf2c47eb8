"""Turn a trained network into `models/<name>/<version>/`: one small ONNX file, its manifest and its model card."""

from __future__ import annotations

import warnings
from typing import Any, Final

import onnx
import torch
from onnx import ModelProto

from training.errors import ExportError
from training.network.convnet import ConvNet, ServedNet

# Supported by ONNX Runtime since 1.17, OpenVINO and Triton; nothing newer is needed.
OPSET: Final = 20
MAX_BYTES: Final = 120_000
BATCH: Final = "batch"

# Operator and readable name of each node in order; a node's output tensor has the node's name.
NODES: Final = (
    ("Unsqueeze", "channel"),
    ("Cast", "pixels"),
    ("Mul", "scaled"),
    ("Sub", "normalised"),
    ("Conv", "conv1"),
    ("Relu", "conv1_relu"),
    ("MaxPool", "pool1"),
    ("Conv", "conv2"),
    ("Relu", "conv2_relu"),
    ("MaxPool", "pool2"),
    ("Reshape", "features"),
    ("Gemm", "fc1"),
    ("Relu", "fc1_relu"),
    ("Gemm", "fc2"),
    ("Div", "logits"),
    ("Softmax", "probabilities"),
)

# Layer name to the ONNX tensor of its activations, for service/model/explainer.py; weights keep their own names.
LAYERS: Final = {
    "input": "normalised",
    "conv1": "conv1_relu",
    "pool1": "pool1",
    "conv2": "conv2_relu",
    "pool2": "pool2",
    "fc1": "fc1_relu",
}


def to_onnx(net: ConvNet, temperature: float) -> bytes:
    """Export a network as ONNX bytes; the same weights and temperature give the same bytes.

    Raises:
        ExportError: the exporter built another graph than expected, or one that is too large.
    """
    model = _tidy(trace(ServedNet(net.cpu(), temperature).eval()), nodes(temperature))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    if len(content) > MAX_BYTES:
        raise ExportError(
            f"the ONNX file has {len(content)} bytes, expected at most {MAX_BYTES}: 21,840 weights take 87,360; "
            "look for weights stored twice or metadata left in."
        )
    return content


def trace(served: ServedNet) -> ModelProto:
    """Run PyTorch's exporter: uint8 `images` of any batch in, `logits` and `probabilities` out.

    Raises:
        ExportError: it gave nothing.
    """
    example = torch.zeros((2, 28, 28), dtype=torch.uint8)  # two: a batch of one would be traced as a constant
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations say nothing about this graph
        program = torch.onnx.export(
            served,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["logits", "probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError(
            "torch.onnx.export returned no program; check that the versions of torch and onnxscript fit together."
        )
    return program.model_proto


def nodes(temperature: float) -> tuple[tuple[str, str], ...]:
    """Return the expected nodes: the exporter leaves a division by 1 out, so the last product then gives the logits."""
    if temperature != 1.0:
        return NODES
    return (*NODES[: NODES.index(("Gemm", "fc2"))], ("Gemm", "logits"), NODES[-1])


def _tidy(exported: ModelProto, expected: tuple[tuple[str, str], ...]) -> ModelProto:
    """Give nodes and tensors readable names, and drop what the exporter noted about this machine's source files."""
    model = ModelProto()
    model.CopyFrom(exported)
    operators = [node.op_type for node in model.graph.node]
    wanted = [operator for operator, _ in expected]
    if operators != wanted:
        raise ExportError(
            f"the exporter built the operators {operators}, expected {wanted}; "
            "if this torch is meant to build another graph, change NODES and measure the service again."
        )
    names: dict[str, str] = {}
    for node, (_, name) in zip(model.graph.node, expected, strict=True):
        names[node.output[0]] = node.name = name
        for place, value in enumerate(node.input):
            names.setdefault(value, _input_name(value, name, place))
        _clear(node)
    names["images"] = "images"
    for node in model.graph.node:
        node.input[:] = [names[value] for value in node.input]
        node.output[:] = [names[value] for value in node.output]
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
        _clear(tensor)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
        _clear(value)
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.name = "digits"
    model.graph.doc_string = model.doc_string = ""
    return model


def _input_name(value: str, node: str, place: int) -> str:
    """Name a weight as PyTorch does without the wrapper's prefix, and a constant by the node that uses it."""
    if value == "temperature":
        return value
    return value.removeprefix("net.") if value.startswith("net.") else f"{node}.constant{place}"


def _clear(part: Any) -> None:
    del part.metadata_props[:]
    part.doc_string = ""
