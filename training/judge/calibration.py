"""What a confidence means: temperature, odds of a digit and thresholds, fitted on real digits and real signs together.

Every source has the same weight, however many pictures it has, and digits as much as signs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.model.artifact import DigitOdds
from training.judge.rejection import Thresholds
from training.synth.pool import NO_DIGIT, Pool

DIGITS_LOST: Final = 0.008
"""Share of the validation digits, read rightly, that may be called "not a digit"."""
DIGITS_UNSURE: Final = 0.002
"""Share of them that may be called "unsure" on top."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """What the manifest needs to turn logits into an answer."""

    thresholds: Thresholds
    odds: DigitOdds


def group_of(kind: str) -> str:
    """Return the source and country of a validation picture's kind."""
    source, country, _ = kind.split("|")
    return f"{source}, {country}" if country else source


def balanced(pool: Pool) -> Weights:
    """Weigh pictures, float [N], so that each source counts the same, and digits and signs half each."""
    groups, place, counts = np.unique([group_of(kind) for kind in pool.kinds], return_inverse=True, return_counts=True)
    weights = 1.0 / counts[place]
    digits = pool.labels != NO_DIGIT
    for side in (digits, ~digits):
        weights[side] *= 0.5 / max(weights[side].sum(), 1e-12)
    return np.asarray(weights * (len(groups) > 0), np.float64)


def fit_answer(logits: Tensor, pool: Pool) -> Fitted:
    """Fit odds and thresholds on served logits `[N, 10]` of validation pictures.

    The energy rejects as many signs as it can while it loses DIGITS_LOST of the digits; what preprocessing turned down
    counts as lost already. Then the confidence may turn down DIGITS_UNSURE of them.
    """
    weights = balanced(pool)
    exact = logits.double().numpy()
    energies = -torch.logsumexp(logits.double(), dim=1).numpy()
    digits, seen = pool.labels != NO_DIGIT, ~pool.rejected
    odds = fit_odds(energies[seen], digits[seen], weights[seen])
    right = digits & seen & (exact.argmax(1) == pool.labels)
    max_energy = _quantile(energies[right], weights[right], 1 - DIGITS_LOST)
    sure = np.exp(exact.max(1) + energies) * digit_share(energies, odds)
    left = right & (energies <= max_energy)
    min_confidence = _quantile(sure[left], weights[left], DIGITS_UNSURE)
    return Fitted(Thresholds(round(max_energy, 4), round(min_confidence, 4)), odds)


def fit_odds(energies: Weights, digits: NDArray[np.bool_], weights: Weights) -> DigitOdds:
    """Fit P(digit) = 1 / (1 + exp(slope * energy - offset)) by weighted logistic regression, damped Newton's method."""
    columns = np.stack([-energies, np.ones_like(energies)], 1)
    signs = np.where(digits, 1.0, -1.0)

    def loss(beta: Weights) -> float:
        return float((weights * np.logaddexp(0, -signs * (columns @ beta))).sum())

    beta = np.zeros(2)
    for _ in range(50):
        share = 1 / (1 + np.exp(-np.clip(columns @ beta, -500, 500)))
        slopes = columns.T @ (weights * (digits - share))
        curvature = (columns * (weights * share * (1 - share))[:, None]).T @ columns + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slopes)
        while loss(beta + step) > loss(beta) and np.abs(step).max() > 1e-9:
            step = step / 2  # a full step may overshoot where the two hardly overlap
        beta = beta + step
    return DigitOdds(slope=round(max(float(beta[0]), 1e-3), 4), offset=round(float(beta[1]), 4))


def digit_share(energies: Weights, odds: DigitOdds) -> Weights:
    """Return P(digit), float [N], of free energies."""
    shares: Weights = 1 / (1 + np.exp(np.clip(odds.slope * energies - odds.offset, -500, 500)))
    return shares


def fit_real_temperature(logits: Tensor, pool: Pool) -> float:
    """Find the temperature that makes the labels of the real digits likeliest, each source weighing the same."""
    chosen = (pool.labels != NO_DIGIT) & ~pool.rejected
    scores = logits.double().numpy()[chosen]
    labels, weights = pool.labels[chosen], balanced(pool)[chosen]

    def nll(temperature: float) -> float:
        scaled = scores / temperature
        top = scaled.max(1)
        norm = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float((weights * (norm - scaled[np.arange(len(labels)), labels])).sum())

    tried = [math.exp(step / 200) for step in range(-200, 201)]
    return round(tried[int(np.argmin([nll(each) for each in tried]))], 6)


def _quantile(values: Weights, weights: Weights, share: float) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(len(order) - 1, int(np.searchsorted(below, share)))])
