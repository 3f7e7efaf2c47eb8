"""When to give no answer: two thresholds, fitted on validation pictures so that few digits are lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.errors import TrainingError
from training.synth.pool import NO_DIGIT, Pool

# Share of the validation pictures without a digit that must be rejected, by the ink itself or by a threshold.
OTHERS_REJECTED: Final = 0.91

# The energies that are tried, the most lenient first.
ENERGIES: Final = tuple(round(2.0 - 0.1 * step, 1) for step in range(71))

# Share of the digits under the energy that may be called "unsure".
CONFIDENCE_LOSS: Final = 0.0001

# Below so much confidence at most an answer is "unsure": more costs right answers and hardly rejects anything else.
UNSURE: Final = 0.4


@dataclass(frozen=True)
class Thresholds:
    """Reject above `max_energy` as not a digit, and below `min_confidence` (0..1) as unsure."""

    max_energy: float
    min_confidence: float


def fit_thresholds(logits: Tensor, labels: Tensor, rejected: Tensor) -> Thresholds:
    """Fit both thresholds on logits `[N, 10]` of validation pictures; labels `[N]` are 0..9 or NO_DIGIT.

    `rejected` bool `[N]` marks those that preprocessing turned down by itself, and which need no threshold.

    The free energy -log sum exp(logit) is the log-odds of "no digit" that training taught (see `train.with_none`). The
    most lenient threshold is taken that rejects enough of what is no digit: each stricter one was measured to lose more
    of other people's digits than of MNIST's (docs/train.md).
    The logits are those that the service judges by (see `measure.served_logits`).

    Raises:
        TrainingError: no digit would be accepted, as of a network that has hardly been trained.
    """
    energies, confidences = _signals(logits)
    digits = (labels != NO_DIGIT) & ~rejected
    others = labels == NO_DIGIT
    for max_energy in ENERGIES:
        below = energies <= max_energy
        sure = confidences[digits & below]
        if not len(sure):
            raise TrainingError(
                f"no threshold fits: at an energy of {max_energy} no validation digit is accepted, and still not "
                f"{OTHERS_REJECTED:.0%} of the other pictures are rejected; train for longer."
            )
        min_confidence = min(UNSURE, float(sure.quantile(CONFIDENCE_LOSS)))
        accepted = below & (confidences >= min_confidence) & ~rejected
        if float(accepted[others].sum()) <= (1 - OTHERS_REJECTED) * float(others.sum()):
            break
    return Thresholds(round(max_energy, 4), round(min_confidence, 4))


def rejection_by_kind(
    logits: Tensor, kinds: NDArray[np.str_], rejected: NDArray[np.bool_], thresholds: Thresholds
) -> Mapping[str, float]:
    """Return the share of each kind's pictures that is rejected, by preprocessing (`rejected`) or by a threshold."""
    energies, confidences = _signals(logits)
    turned_down = (energies > thresholds.max_energy) | (confidences < thresholds.min_confidence)
    either = turned_down.numpy() | rejected
    return {str(kind): round(float(either[kinds == kind].mean()), 4) for kind in np.unique(kinds)}


def right_by_kind(logits: Tensor, pool: Pool, thresholds: Thresholds) -> Mapping[str, float]:
    """Return the share of each kind of digit picture that gets its digit; a rejected one counts as wrong."""
    energies, confidences = _signals(logits)
    kept = (energies <= thresholds.max_energy) & (confidences >= thresholds.min_confidence)
    right = (logits.argmax(dim=1).numpy() == pool.labels) & kept.numpy() & ~pool.rejected
    kinds = pool.kinds[pool.labels != NO_DIGIT]
    return {str(kind): round(float(right[pool.kinds == kind].mean()), 4) for kind in np.unique(kinds)}


def _signals(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return (free energy, confidence) of each picture."""
    logits = logits.double()
    return -torch.logsumexp(logits, dim=1), logits.softmax(dim=1).amax(dim=1)
