"""The threshold of a network that was taught more: no fewer pictures without a digit are rejected than before."""

from __future__ import annotations

import torch
from torch import Tensor

from service.model.artifact import Manifest


def refit_energy(before: Tensor, after: Tensor, manifest: Manifest) -> float | None:
    """Return the threshold by which `after` rejects at least as many pictures as `before` did, the old one if it does.

    Fine-tuning moves all energies a little, so the old threshold may let more through. What the right share is was
    decided when the base was trained; here it is only kept. What was gained by teaching is not given away again.

    Args:
        before: logits float32 [N, classes] of validation pictures that show no digit, as the old version gives them.
        after: the same of the new network.
        manifest: the old version's, with the thresholds and odds by which it judges.
    """
    max_energy = manifest.thresholds.max_energy
    if max_energy is None or not len(after):
        return max_energy
    wanted = int(((_energies(before) > max_energy) | _unsure(before, manifest)).sum())
    unsure = _unsure(after, manifest)
    missing = wanted - int(unsure.sum())
    energies = _energies(after)[~unsure].sort(descending=True).values
    if missing <= 0 or not len(energies):
        return max_energy
    last = float(energies[min(missing, len(energies)) - 1])  # the least unlikely of those that must go
    return min(max_energy, round(last - 1e-4, 4))


def _energies(logits: Tensor) -> Tensor:
    return -torch.logsumexp(logits.double(), dim=1)


def _unsure(logits: Tensor, manifest: Manifest) -> Tensor:
    """Tell which are below the confidence that the service asks for (service/recognition/verdict.py), bool [N]."""
    limit, odds = manifest.thresholds.min_confidence, manifest.digit_odds
    if limit is None:
        return torch.zeros(len(logits), dtype=torch.bool)
    confidence = logits.double().softmax(dim=1).amax(dim=1)
    if odds is not None:
        confidence = confidence * torch.sigmoid(odds.offset - odds.slope * _energies(logits))
    return confidence < limit
