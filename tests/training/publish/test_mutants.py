"""The ladder notices whatever is changed in the shipped graph: each operator, attribute and constant in turn."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, numpy_helper

from service.errors import ServiceError
from service.model.artifact import Artifact, load_artifact
from service.model.session import DigitSession
from training.errors import ParityError
from training.network.convnet import ServedNet
from training.publish import answers, parity

SHIPPED = Path(__file__).parents[3] / "models" / "digits"

# What could stand in an operator's place, by the number of its inputs.
UNARY = (
    "Relu Abs Neg Sigmoid Tanh Softplus Elu LeakyRelu Selu Celu HardSigmoid HardSwish Identity Exp Softmax LogSoftmax "
    "Hardmax Softsign Gelu Mish Ceil Floor Round Sign Sqrt Reciprocal ThresholdedRelu MaxPool AveragePool LpPool "
    "GlobalMaxPool Flatten"
)
BINARY = "Add Sub Mul Div Pow Max Min Mean Sum Mod PRelu"
# Changes that cannot matter, as patterns of their names, and why. Anything else that passes the ladder fails the test.
HARMLESS = {
    r"\(\w+\) without \w+": "the value that is left out is the operator's default, or axis -1 for axis 1 of two",
    r"\(Mul\) with its inputs swapped": "a product is the same either way",
    r"\(Conv\) pads \[0, 0, (1, 0|0, 1)\]": "the row or column that is added at the end fills no block of the pooling",
    r"\(MaxPool\) pads \[0, 0, (1, 0|0, 1)\]": "the same: it fills no block",
    r"\(MaxPool\) storage_order 1": "orders the places of the largest values, an output that this graph does not have",
    r"\(MaxPool\) ceil_mode (-1|1)": "24 and 8 are even: no block is begun and not filled",
    r"\(MaxPool\) auto_pad (VALID|SAME_UPPER|SAME_LOWER)": "24 and 8 are even: nothing is to be padded",
    r"\(Reshape\) allowzero (0|2)": "says what a 0 in the shape means, which holds none",
    r"\(Gemm\) transB 2": "whatever is not 0 transposes",
}


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped model."""
    return load_artifact(SHIPPED)


@pytest.fixture(scope="module")
def probes(artifact: Artifact) -> list[answers.Probe]:
    """What reference and PyTorch answer with the shipped weights, to the batches of `verify` without real digits."""
    net = parity.network_in(artifact)
    weights = {name: value.double().numpy() for name, value in net.state_dict().items()}
    served = ServedNet(net, artifact.manifest.temperature).eval()
    return [answers.probe(weights, served, batch) for batch in answers.probe_batches(None)]


def climbs(model: ModelProto, artifact: Artifact, probes: list[answers.Probe]) -> bool:
    """Whether a changed graph, its hash renewed, passes all rungs against the shipped weights."""
    content = model.SerializeToString(deterministic=True)
    manifest = artifact.manifest.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    changed = replace(artifact, manifest=manifest, model_bytes=content)
    try:
        parity.check_signature(changed)
        parity.check_weights(parity.network_in(artifact), changed)
        parity.check_session(DigitSession(changed, "cpu"), probes)
    except (ParityError, ServiceError):
        return False
    except Exception as error:  # ONNX Runtime's own, of a graph that fails while it runs
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        return False
    return True


def operators(node: NodeProto) -> Iterator[tuple[str, NodeProto]]:
    """Put each other operator of as many inputs in a node's place, with and without its attributes."""
    for operator in {1: UNARY, 2: BINARY}.get(len(node.input), "").split():
        if operator != node.op_type:
            for attributes in ([], list(node.attribute)) if node.attribute else ([],):
                other = NodeProto()
                other.CopyFrom(node)
                other.op_type = operator
                del other.attribute[:]
                other.attribute.extend(attributes)
                yield f"as {operator}{' with its attributes' if attributes else ''}", other


def attributes(node: NodeProto) -> Iterator[tuple[str, NodeProto]]:
    """Leave each attribute out, and change each number in it by one, or by 1 % where it is a fraction."""
    for place, attribute in enumerate(node.attribute):
        name = attribute.name
        without = NodeProto()
        without.CopyFrom(node)
        del without.attribute[place]
        yield f"without {name}", without
        for what, changed in changed_attributes(attribute):
            other = NodeProto()
            other.CopyFrom(node)
            other.attribute[place].CopyFrom(changed)
            yield f"{name} {what}", other


def changed_attributes(attribute: AttributeProto) -> Iterator[tuple[str, AttributeProto]]:
    """Change one number of an attribute at a time."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, float):
        yield "1 % more", onnx.helper.make_attribute(attribute.name, value * 1.01)
    elif isinstance(value, int):
        for step in (-1, 1):
            yield f"{value + step}", onnx.helper.make_attribute(attribute.name, value + step)
    elif isinstance(value, bytes):
        for other in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "floor", "linear"):
            if other != value.decode():
                yield other, onnx.helper.make_attribute(attribute.name, other)
    else:
        for place, step in ((place, step) for place in range(len(value)) for step in (-1, 1)):
            numbers = list(value)
            numbers[place] += step
            yield f"{numbers}", onnx.helper.make_attribute(attribute.name, numbers)


def inputs(node: NodeProto) -> Iterator[tuple[str, NodeProto]]:
    """Swap the first two inputs."""
    if len(node.input) > 1:
        other = NodeProto()
        other.CopyFrom(node)
        other.input[0], other.input[1] = node.input[1], node.input[0]
        yield "with its inputs swapped", other


def mutants(model: ModelProto) -> Iterator[tuple[str, ModelProto]]:
    """Change one thing of a graph at a time."""
    for place, node in enumerate(model.graph.node):
        for change in (operators, attributes, inputs):
            for what, other in change(node):
                mutant = ModelProto()
                mutant.CopyFrom(model)
                mutant.graph.node[place].CopyFrom(other)
                yield f"{node.name} ({node.op_type}) {what}", mutant
    for place, tensor in enumerate(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        # Of a weight's many numbers the largest and one at random: the rung compares each of them to the bit.
        flat = values.ravel()
        chosen = range(flat.size) if flat.size < 8 else {int(np.abs(flat).argmax()), flat.size // 3}
        for index in chosen:
            changed = flat.copy()
            changed[index] = changed[index] * np.float32(1.01) if changed.dtype == np.float32 else changed[index] + 1
            mutant = ModelProto()
            mutant.CopyFrom(model)
            mutant.graph.initializer[place].CopyFrom(
                numpy_helper.from_array(changed.reshape(values.shape), tensor.name)
            )
            yield f"{tensor.name}, number {index}, {'1 % more' if changed.dtype == np.float32 else 'one more'}", mutant


def test_a_softmax_replaced_by_a_sigmoid_fails(artifact: Artifact, probes: list[answers.Probe]) -> None:
    """The logits are right, the probabilities are not, and it is by these that the service decides."""
    model = onnx.load_from_string(artifact.model_bytes)
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.op_type = "Sigmoid"
    del node.attribute[:]
    assert not climbs(model, artifact, probes)


def test_whatever_is_changed_in_the_graph_fails(artifact: Artifact, probes: list[answers.Probe]) -> None:
    """Only changes that cannot matter pass, each listed with its reason; the unchanged graph passes."""
    model = onnx.load_from_string(artifact.model_bytes)
    assert climbs(model, artifact, probes)
    made = dict(mutants(model))
    passed = {name for name, mutant in made.items() if climbs(mutant, artifact, probes)}
    excused = {pattern: {name for name in passed if re.search(f"{pattern}$", name)} for pattern in HARMLESS}
    assert passed == set().union(*excused.values())
    assert all(excused.values()), "a pattern that excuses nothing is taken out"
    assert len(made) > 500
