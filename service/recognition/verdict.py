"""The answer for one picture: which digit, how sure, or why none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from service.contract import Rejection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.artifact import Manifest


class Prediction(NamedTuple):
    """One answer.

    Attributes:
        label: index of the winning class, or None exactly when `rejected` is set.
        confidence: probability of the most probable class, 0…1.
        probabilities: one for each class, summing to 1.
        rejected: why no digit is given, or None.
    """

    label: int | None
    confidence: float
    probabilities: list[float]
    rejected: Rejection | None


class Judge:
    """Turns the network's outputs into an answer, with the thresholds that the manifest gives."""

    def __init__(self, manifest: Manifest) -> None:
        self.min_confidence = manifest.thresholds.min_confidence
        self.max_energy = manifest.thresholds.max_energy

    def decide(
        self, logits: NDArray[np.float32], probabilities: NDArray[np.float32], ink: Rejection | None = None
    ) -> Prediction:
        """Judge one image: `logits` and `probabilities` are float32 [classes], `ink` is what preprocessing said.

        The free energy −log Σ exp(logit) is high where no class speaks for the picture (Liu et al., 2020,
        "Energy-based Out-of-distribution Detection").
        """
        label = int(probabilities.argmax())
        confidence = float(probabilities[label])
        rejected: Rejection | None = ink
        if rejected is None and self.max_energy is not None and energy(logits) > self.max_energy:
            rejected = Rejection.NOT_A_DIGIT
        if rejected is None and self.min_confidence is not None and confidence < self.min_confidence:
            rejected = Rejection.UNSURE
        return Prediction(label if rejected is None else None, confidence, probabilities.tolist(), rejected)


def energy(logits: NDArray[np.float32]) -> float:
    """Free energy of one image's logits, float32 [classes]; lower means more like a digit."""
    top = float(logits.max())
    return -(top + float(np.log(np.exp(logits - top).sum())))
