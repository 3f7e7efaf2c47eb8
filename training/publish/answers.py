"""What reference, PyTorch and the serving session answer to the same pictures, by the outputs' names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from service.model.session import DigitSession
from training.network import reference
from training.network.convnet import ServedNet

BATCH_SIZES: Final = (1, 2, 3, 7, 64)

Images = NDArray[np.uint8]
Weights = dict[str, NDArray[np.float64]]
Answers = dict[str, NDArray[np.floating]]  # by the output's name


@dataclass(frozen=True)
class Probe:
    """A batch, uint8 `[N, 28, 28]`, and what the reference and PyTorch answer to it."""

    images: Images
    reference: Answers
    pytorch: Answers


def signature(classes: int) -> dict[str, list[tuple[str, str, tuple[int, ...]]]]:
    """Return what goes in and comes out of a graph of so many classes: name, dtype and shape, -1 for the batch."""
    return {
        "inputs": [("images", "UINT8", (-1, 28, 28))],
        "outputs": [("logits", "FP32", (-1, classes)), ("probabilities", "FP32", (-1, classes))],
    }


def probe(weights: Weights, served: ServedNet, images: Images) -> Probe:
    """Ask the reference and PyTorch about a batch."""
    return Probe(images, reference_answers(weights, served, images), pytorch_answers(served, images))


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


@torch.no_grad()
def pytorch_answers(served: ServedNet, images: Images) -> Answers:
    """Run PyTorch on uint8 `[N, 28, 28]`."""
    return _by_name(output.numpy() for output in served(torch.from_numpy(images)))


def reference_answers(weights: Weights, served: ServedNet, images: Images) -> Answers:
    """Run the textbook's sums on uint8 `[N, 28, 28]`, with the temperature of `served`."""
    return _by_name(reference.classify(weights, images, float(served.temperature)))


def session_answers(session: DigitSession, images: Images) -> Answers:
    """Run the session that serves on uint8 `[N, 28, 28]`."""
    return _by_name(session.run(images))


def _by_name(values: Iterable[NDArray[np.floating]]) -> Answers:
    """Name an implementation's outputs, which all give in the order of the signature."""
    return dict(zip((name for name, _, _ in signature(0)["outputs"]), values, strict=True))
