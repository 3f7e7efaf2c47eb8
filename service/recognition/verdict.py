"""The decision for one picture: which digit with which confidence, or why none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from service.contract import Rejection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from service.model.artifact import Manifest


class Prediction(NamedTuple):
    """One answer.

    Attributes:
        label: index of the winning class, or None exactly when `rejected` is set.
        confidence: P(it is a digit) × P(it is this digit), 0…1.
        probabilities: one for each class, summing to 1: which digit it is, if it is one.
        rejected: why no digit is given, or None.
    """

    label: int | None
    confidence: float
    probabilities: list[float]
    rejected: Rejection | None


class Judge:
    """Turns the network's outputs into an answer, with the manifest's thresholds."""

    def __init__(self, manifest: Manifest) -> None:
        self.min_confidence = manifest.thresholds.min_confidence
        self.max_energy = manifest.thresholds.max_energy
        self._odds = manifest.digit_odds

    def decide(
        self, logits: NDArray[np.float32], probabilities: NDArray[np.float32], ink: Rejection | None = None
    ) -> Prediction:
        """Decide on one image: `logits` and `probabilities` float32 [classes], `ink` preprocessing's rejection or None.

        The free energy −log Σ exp(logit) is high if no logit is (Liu et al., 2020,
        "Energy-based Out-of-distribution Detection"). What preprocessing rejects is no digit, so its confidence is 0.
        """
        label = int(probabilities.argmax())
        is_not = energy(logits)
        confidence = float(probabilities[label]) * self._digit(is_not) if ink is None else 0.0
        rejected: Rejection | None = ink
        if rejected is None and self.max_energy is not None and is_not > self.max_energy:
            rejected = Rejection.NOT_A_DIGIT
        if rejected is None and self.min_confidence is not None and confidence < self.min_confidence:
            rejected = Rejection.UNSURE
        return Prediction(label if rejected is None else None, confidence, probabilities.tolist(), rejected)

    def _digit(self, free_energy: float) -> float:
        """Return the probability that there is a digit, 0…1; 1 if the manifest has no `digit_odds`."""
        if self._odds is None:
            return 1.0
        log_odds = self._odds.offset - self._odds.slope * free_energy
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, log_odds))))


def energy(logits: NDArray[np.float32]) -> float:
    """Free energy of one image's logits, float32 [classes]; lower means more like a digit."""
    values: list[float] = logits.tolist()  # ten numbers: a call of NumPy costs more than all of this
    top = max(values)
    return -(top + math.log(sum(math.exp(value - top) for value in values)))
