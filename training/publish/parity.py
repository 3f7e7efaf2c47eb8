"""Three implementations held against each other, rung by rung: textbook NumPy, PyTorch, and the session that serves."""

from __future__ import annotations

from dataclasses import asdict, dataclass

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
from training.network import reference
from training.network.checkpoint import network_with
from training.network.convnet import ConvNet, ServedNet

# |a - b| <= 1e-4 + 1e-4 |b|: float32 sums in another order stay a factor of ten below it, a wrong weight does not.
LOGIT_TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 3, 7, 64)
REFERENCE_CHUNK = 500

Images = NDArray[np.uint8]
Weights = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class ProviderParity:
    """How close one provider's session came: largest logit differences, and how many answers were compared."""

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


def signature(classes: int) -> dict[str, list[tuple[str, str, tuple[int, ...]]]]:
    """Return what goes in and comes out of a graph of so many classes: name, dtype and shape, -1 for the batch."""
    return {
        "inputs": [("images", "UINT8", (-1, 28, 28))],
        "outputs": [("logits", "FP32", (-1, classes)), ("probabilities", "FP32", (-1, classes))],
    }


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
    batches = probe_batches(real)
    pytorch_to_reference = 0.0
    for batch in batches:
        expected, _ = reference.classify(weights, batch, temperature)
        name = f"PyTorch against the reference, batch of {len(batch)}"
        pytorch_to_reference = max(pytorch_to_reference, check_values(name, pytorch_logits(served, batch), expected))
    providers, missing = [], {}
    for provider in PROVIDERS:
        try:
            session = DigitSession(artifact, provider=provider)
        except ProviderError as error:
            missing[provider] = str(error)
            continue
        providers.append(_climb_provider(session, weights, served, batches, digits))
    return ParityReport(LOGIT_TOLERANCE, BATCH_SIZES, pytorch_to_reference, providers, missing)


def probe_batches(real: Images | None) -> list[Images]:
    """Return batches of each size: empty, full, checkerboard and random pictures, and real ones where given."""
    generator = np.random.default_rng(0)
    checkerboard = (np.indices((28, 28)).sum(axis=0) % 2 * 255).astype(np.uint8)
    kinds = [np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8), checkerboard]
    batches = []
    for size in BATCH_SIZES:
        batches += [np.repeat(kind[None], size, axis=0) for kind in kinds]
        batches.append(generator.integers(0, 256, (size, 28, 28), dtype=np.uint8))
        if real is not None:
            batches.append(real[:size])
    return batches


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


def check_values(name: str, actual: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Third rung: logits agree within the tolerance; returns the largest difference."""
    if actual.shape != expected.shape:
        raise ParityError(f"values: {name}: shape {actual.shape}, expected {expected.shape}.")
    difference = np.abs(actual.astype(np.float64) - expected)
    excess = difference - (LOGIT_TOLERANCE + LOGIT_TOLERANCE * np.abs(expected))
    if not np.isfinite(difference).all() or (excess > 0).any():
        raise ParityError(
            f"values: {name}: largest difference {difference.max():.2e}, "
            f"tolerance {LOGIT_TOLERANCE:.0e} absolute and relative; one implementation computes something else."
        )
    return float(difference.max())


def check_alone(session: DigitSession, batch: Images) -> float:
    """Fourth rung: a picture alone gets the logits that it gets inside a batch; returns the largest difference."""
    together = session.run(batch).logits
    alone = np.concatenate([session.run(batch[place : place + 1]).logits for place in range(len(batch))])
    return check_values(
        f"{session.provider}, alone against a batch of {len(batch)}", alone, together.astype(np.float64)
    )


def check_answers(session: DigitSession, weights: Weights, served: ServedNet, images: Images) -> int:
    """Last rung: all three give every picture the same digit; returns the number of pictures."""
    for start in range(0, len(images), REFERENCE_CHUNK):
        chunk = images[start : start + REFERENCE_CHUNK]
        answers = session.run(chunk).logits.argmax(axis=1)
        textbook = reference.classify(weights, chunk, float(served.temperature))[0].argmax(axis=1)
        torch_answers = pytorch_logits(served, chunk).argmax(axis=1)
        for other, found in (("the reference", textbook), ("PyTorch", torch_answers)):
            wrong = np.flatnonzero(answers != found)
            if len(wrong):
                first = wrong[0]
                raise ParityError(
                    f"answers: {session.provider} and {other} differ on {len(wrong)} of {len(chunk)} pictures, "
                    f"expected 0; first on picture {start + first}: {answers[first]} against {found[first]}."
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


@torch.no_grad()
def pytorch_logits(served: ServedNet, images: Images) -> NDArray[np.float32]:
    """Run PyTorch on uint8 `[N, 28, 28]`; returns float32 `[N, 10]`."""
    logits: NDArray[np.float32] = served(torch.from_numpy(images))[0].numpy()
    return logits


def _climb_provider(
    session: DigitSession, weights: Weights, served: ServedNet, batches: list[Images], digits: Digits | None
) -> ProviderParity:
    to_reference = to_pytorch = alone = 0.0
    for batch in batches:
        actual = session.run(batch).logits
        expected, _ = reference.classify(weights, batch, float(served.temperature))
        name = f"{session.provider} against {{}}, batch of {len(batch)}"
        to_reference = max(to_reference, check_values(name.format("the reference"), actual, expected))
        torch_logits = pytorch_logits(served, batch).astype(np.float64)
        to_pytorch = max(to_pytorch, check_values(name.format("PyTorch"), actual, torch_logits))
        alone = max(alone, check_alone(session, batch))
    images = digits.images.cpu().numpy() if digits is not None else np.concatenate(batches)
    compared = check_answers(session, weights, served, images)
    return ProviderParity(session.provider, to_reference, to_pytorch, alone, compared)
