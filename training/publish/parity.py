"""Three implementations held against each other, rung by rung: textbook NumPy, PyTorch, and the session that serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from service.errors import ProviderError
from service.model.artifact import Artifact
from service.model.session import PROVIDERS, DigitSession
from training.data.mnist import Digits
from training.errors import ParityError
from training.network.checkpoint import network_with
from training.network.convnet import ConvNet, ServedNet
from training.publish.answers import (
    BATCH_SIZES,
    Answers,
    Images,
    Probe,
    Weights,
    probe,
    probe_batches,
    pytorch_answers,
    reference_answers,
    session_answers,
    signature,
)

# |a - b| <= 1e-4 + 1e-4 |b|, for each output: float32 sums in another order stay a factor of four below it, a wrong
# weight does not.
TOLERANCE: Final = 1e-4
REFERENCE_CHUNK: Final = 500


@dataclass(frozen=True)
class ProviderParity:
    """How close one provider's session came: largest differences of an output, and how many answers were compared."""

    provider: str
    to_reference: float
    to_pytorch: float
    alone_to_batch: float
    answers_compared: int


@dataclass(frozen=True)
class ParityReport:
    """A ladder that was climbed to the top."""

    logit_tolerance: float
    batch_sizes: tuple[int, ...]
    pytorch_to_reference: float
    providers: list[ProviderParity]
    not_available: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """Return it as the manifest holds it."""
        return asdict(self)


def climb(net: ConvNet, temperature: float, artifact: Artifact, digits: Digits | None) -> ParityReport:
    """Hold a network and its exported artefact against each other on every provider that can be had.

    `digits` are real pictures for the last rung, if there are any; otherwise it is climbed on the made-up ones.

    Raises:
        ParityError: a rung broke; the message names it with the largest difference and the tolerance.
    """
    check_signature(artifact)
    check_weights(net, artifact)
    weights: Weights = {name: value.double().numpy() for name, value in net.state_dict().items()}
    served = ServedNet(net, temperature).eval()
    real = digits.images[:64].cpu().numpy() if digits is not None else None
    probes = [probe(weights, served, batch) for batch in probe_batches(real)]
    pytorch_to_reference = max(
        check_outputs(f"PyTorch against the reference, batch of {len(each.images)}", each.pytorch, each.reference)
        for each in probes
    )
    images = digits.images.cpu().numpy() if digits is not None else np.concatenate([each.images for each in probes])
    providers, missing = [], {}
    for provider in PROVIDERS:
        try:
            session = DigitSession(artifact, provider=provider)
        except ProviderError as error:
            missing[provider] = str(error)
            continue
        differences = check_session(session, probes)
        providers.append(ProviderParity(provider, *differences, check_answers(session, weights, served, images)))
    return ParityReport(TOLERANCE, BATCH_SIZES, pytorch_to_reference, providers, missing)


def check_signature(artifact: Artifact) -> None:
    """First rung: the manifest has the right names, dtypes, shapes and dynamic axis; the session checks the file."""
    for kind, expected in signature(len(artifact.manifest.labels)).items():
        tensors = artifact.manifest.inputs if kind == "inputs" else artifact.manifest.outputs
        actual = [(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors]
        if actual != expected:
            raise ParityError(f"signature: the manifest's {kind} are {actual}, expected {expected}; export again.")


def check_weights(net: ConvNet, artifact: Artifact) -> None:
    """Second rung: the numbers inside the file are the checkpoint's, to the last bit."""
    stored = weights_in(artifact)
    for name, value in net.state_dict().items():
        if name not in stored:
            raise ParityError(f"weights: the graph has no tensor {name}, only {sorted(stored)}; export again.")
        if stored[name].shape != value.shape or not np.array_equal(stored[name], value.numpy()):
            difference = (
                float(np.abs(stored[name] - value.numpy()).max()) if stored[name].shape == value.shape else None
            )
            raise ParityError(
                f"weights: {name} differs from the checkpoint, largest difference {difference}, tolerance 0; "
                "export the checkpoint again, or verify against the run that was exported (--run)."
            )


def check_outputs(name: str, actual: Answers, expected: Answers) -> float:
    """Third rung: every output agrees within the tolerance.

    Returns:
        The largest difference.

    Raises:
        ParityError: it names each output that does not, with its largest difference.
    """
    if set(actual) != set(expected):
        raise ParityError(f"values: {name}: the outputs are {sorted(actual)}, expected {sorted(expected)}.")
    faults = [fault for output in expected if (fault := _fault(output, actual[output], expected[output]))]
    if faults:
        raise ParityError(
            f"values: {name}: {', '.join(faults)}, tolerance {TOLERANCE:.0e} absolute and relative; "
            "one implementation computes something else."
        )
    return max(float(np.abs(actual[output] - expected[output]).max()) for output in expected)


def check_session(session: DigitSession, probes: Sequence[Probe]) -> tuple[float, float, float]:
    """Third and fourth rung for the session that serves: its outputs, and that a picture alone gets the same ones.

    Returns:
        The largest differences to the reference, to PyTorch, and of pictures alone to the same in a batch.
    """
    to_reference = to_pytorch = alone = 0.0
    for each in probes:
        actual = session_answers(session, each.images)
        name = f"{session.provider} against {{}}, batch of {len(each.images)}"
        to_reference = max(to_reference, check_outputs(name.format("the reference"), actual, each.reference))
        to_pytorch = max(to_pytorch, check_outputs(name.format("PyTorch"), actual, each.pytorch))
        singly = [session_answers(session, each.images[place : place + 1]) for place in range(len(each.images))]
        one_by_one = {output: np.concatenate([answers[output] for answers in singly]) for output in actual}
        alone = max(alone, check_outputs(name.format("pictures alone"), one_by_one, actual))
    return to_reference, to_pytorch, alone


def check_answers(session: DigitSession, weights: Weights, served: ServedNet, images: Images) -> int:
    """Last rung: by every output all three give every picture the same digit; returns the number of pictures."""
    for start in range(0, len(images), REFERENCE_CHUNK):
        chunk = images[start : start + REFERENCE_CHUNK]
        answers = session_answers(session, chunk)
        others = (
            ("the reference", reference_answers(weights, served, chunk)),
            ("PyTorch", pytorch_answers(served, chunk)),
        )
        for (other, found), output in product(others, answers):
            ours, theirs = answers[output].argmax(axis=1), found[output].argmax(axis=1)
            wrong = np.flatnonzero(ours != theirs)
            if len(wrong):
                first = wrong[0]
                raise ParityError(
                    f"answers: {session.provider} and {other} differ by their {output} on {len(wrong)} of {len(chunk)} "
                    f"pictures, expected 0; first on picture {start + first}: {ours[first]} against {theirs[first]}."
                )
    return len(images)


def weights_in(artifact: Artifact) -> dict[str, NDArray[np.float32]]:
    """Return the graph's float tensors by name, as stored."""
    graph = onnx.load_from_string(artifact.model_bytes).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {name: array for name, array in arrays.items() if array.dtype == np.float32 and array.ndim}


def network_in(artifact: Artifact) -> ConvNet:
    """Rebuild the network from the weights in the graph, as wide as they are.

    Raises:
        CheckpointError: a name or shape differs from the network's.
    """
    weights = {name: torch.from_numpy(array.copy()) for name, array in weights_in(artifact).items()}
    return network_with(weights, source=str(artifact.model_path))


def _fault(output: str, actual: NDArray[np.floating], expected: NDArray[np.floating]) -> str:
    """Say what is wrong with one output; empty if nothing is."""
    if actual.shape != expected.shape:
        return f"{output} of shape {actual.shape}, expected {expected.shape}"
    difference = np.abs(actual.astype(np.float64) - expected)
    within = difference <= TOLERANCE + TOLERANCE * np.abs(expected)  # not-a-number is within nothing
    return "" if within.all() else f"largest difference of {output} {difference.max():.2e}"
