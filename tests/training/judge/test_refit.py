"""A taught network rejects no fewer pictures without a digit than before."""

from __future__ import annotations

import pytest
import torch

from service.model.artifact import DigitOdds, Manifest, Thresholds
from service.recognition.verdict import Judge
from training.judge.refit import refit_energy


def logits(seed: int, level: float, count: int = 500) -> torch.Tensor:
    """Make logits whose energies lie around a level."""
    return torch.randn((count, 10), generator=torch.Generator().manual_seed(seed)) + level


def judged_by(max_energy: float | None, min_confidence: float | None = None, odds: DigitOdds | None = None) -> Manifest:
    """Make the manifest of a version that judges so."""
    thresholds = Thresholds(max_energy=max_energy, min_confidence=min_confidence)
    return Manifest.model_construct(thresholds=thresholds, digit_odds=odds)


def rejected(values: torch.Tensor, manifest: Manifest) -> int:
    """Count what is rejected, by the judge that serves."""
    judge = Judge(manifest)
    rows = zip(values.numpy(), values.softmax(dim=1).numpy(), strict=True)
    return sum(judge.decide(logits, probabilities).rejected is not None for logits, probabilities in rows)


@pytest.mark.parametrize("moved", [-2.0, -0.3, 0.0, 0.3, 2.0])
@pytest.mark.parametrize("min_confidence", [None, 0.25])
@pytest.mark.parametrize("odds", [None, DigitOdds(slope=1.0, offset=-2.0)])
def test_no_fewer_are_rejected_than_before(moved: float, min_confidence: float | None, odds: DigitOdds | None) -> None:
    """Wherever teaching has moved the energies; and hardly more, unless the old threshold does so by itself."""
    before, after, old = logits(0, 0.0), logits(1, moved), judged_by(-2.8, min_confidence, odds)
    found = refit_energy(before, after, old)
    assert found is not None
    assert found <= -2.8
    wanted, by_old = rejected(before, old), rejected(after, old)
    assert 0 < wanted < 500
    assert wanted <= rejected(after, judged_by(found, min_confidence, odds)) <= max(wanted + 2, by_old)


def test_without_a_threshold_or_pictures_nothing_changes() -> None:
    """A model that rejects nothing goes on so."""
    assert refit_energy(logits(0, 0), logits(1, 0), judged_by(None)) is None
    assert refit_energy(logits(0, 0, 0), logits(1, 0, 0), judged_by(-1.0)) == -1.0
    assert refit_energy(logits(0, 5), logits(1, 5), judged_by(10.0)) == 10.0
