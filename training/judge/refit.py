"""Temperature, odds and threshold, fitted again after fine-tuning, on pictures of the old kind.

How lenient to be was decided when the base was trained, on more pictures than are at hand now. So nothing is decided
anew: each number is moved by as much as teaching has moved the logits of the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from service.model.artifact import DigitOdds, Manifest
from training.judge.calibration import fit_odds

ENOUGH: Final = 100  # pictures of a set; fewer move nothing


class Looked(NamedTuple):
    """Logits float32 [N, classes] that one network gives: of each set of digits, and of pictures that show none."""

    digits: Sequence[Tensor]
    others: Tensor
    labels: Sequence[Tensor]  # int64 [N] of each set of digits


def refit_energy(before: Looked, after: Looked, manifest: Manifest, odds: DigitOdds | None) -> float | None:
    """Return the threshold by which no fewer digits of any set are right, and no fewer of the others rejected.

    Of all that do so, it is the nearest to the old one; if none does, the digits are kept, and the gate sees what that
    costs.

    Args:
        before: as the old version looks at pictures that it knew.
        after: as the new network looks at the same.
        manifest: the old version's, with the thresholds and odds by which it judges.
        odds: the new version's.
    """
    max_energy = manifest.thresholds.max_energy
    if max_energy is None:
        return None
    sets = zip(before.digits, after.digits, after.labels, strict=True)
    least = max((_keeping(*each, max_energy) for each in sets if len(each[0]) >= ENOUGH), default=-np.inf)
    wanted = int(rejected(before.others, max_energy, manifest).sum())
    now = manifest.model_copy(update={"digit_odds": odds})
    return max(least, _rejecting(wanted, after.others, max_energy, now))


def refit_odds(before: Looked, after: Looked, manifest: Manifest) -> DigitOdds | None:
    """Return the odds of a digit by which a picture has, on the whole, the odds that it had before.

    Both networks' odds are fitted on the same pictures; the old curve is asked at the energy whose fitted odds are the
    same. The old ones are kept where there are too few pictures.
    """
    odds = manifest.digit_odds
    if odds is None or not before.digits or min(sum(map(len, before.digits)), len(before.others)) < ENOUGH:
        return odds
    old, new = (_odds(looked) for looked in (before, after))
    factor = odds.slope / old.slope
    return DigitOdds(
        slope=round(factor * new.slope, 4), offset=round(odds.offset + factor * (new.offset - old.offset), 4)
    )


def _odds(looked: Looked) -> DigitOdds:
    energies = torch.cat([_energies(torch.cat(list(looked.digits))), _energies(looked.others)]).numpy()
    digits = np.arange(len(energies)) < len(energies) - len(looked.others)
    return fit_odds(energies, digits, np.where(digits, 0.5 / digits.sum(), 0.5 / (~digits).sum()))


def _keeping(before: Tensor, after: Tensor, labels: Tensor, max_energy: float) -> float:
    """Return the least threshold by which as many digits are right as by the old one; that, if none is enough."""
    wanted = int(((before.argmax(dim=1) == labels) & (_energies(before) <= max_energy)).sum())
    energies = _energies(after)[after.argmax(dim=1) == labels].sort().values
    if not wanted:
        return -np.inf
    return round(float(energies[wanted - 1]) + 1e-4, 4) if wanted <= len(energies) else max_energy


def _rejecting(wanted: int, after: Tensor, max_energy: float, manifest: Manifest) -> float:
    """Return the threshold itself, or the largest below it by which so many pictures without a digit are rejected."""
    unsure = _unsure(after, manifest)
    missing = wanted - int(unsure.sum())
    energies = _energies(after)[~unsure].sort(descending=True).values
    if missing <= 0 or not len(energies):
        return max_energy
    last = float(energies[min(missing, len(energies)) - 1])  # the least unlikely of those that must go
    return min(max_energy, round(last - 1e-4, 4))


def rejected(logits: Tensor, max_energy: float | None, manifest: Manifest) -> Tensor:
    """Tell which logits [N, classes] are no answer by a threshold, and by the rest of a manifest; bool [N]."""
    limit = np.inf if max_energy is None else max_energy
    return (_energies(logits) > limit) | _unsure(logits, manifest)


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
