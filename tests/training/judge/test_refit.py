"""A taught network rejects no fewer pictures without a digit than before."""

from __future__ import annotations

import pytest
import torch

from service.model.artifact import DigitOdds, Manifest, Thresholds
from service.recognition.verdict import Judge
from training.judge.refit import Looked, refit_energy, refit_odds


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


def looked(*digits: torch.Tensor, others: torch.Tensor) -> Looked:
    """Let a network have looked at digits, which it reads as labelled, and others."""
    return Looked(digits, others, [torch.zeros(len(each), dtype=torch.int64) for each in digits])


def digits(seed: int, level: float, count: int = 400) -> torch.Tensor:
    """Make logits of zeros, energies spread around a level."""
    made = logits(seed, 0.0, count) * 0.1
    made[:, 0] = 4 - level + 2 * torch.rand(count, generator=torch.Generator().manual_seed(seed + 100))
    return made


@pytest.mark.parametrize("moved", [-2.0, -0.3, 0.0, 0.3, 2.0])
@pytest.mark.parametrize("min_confidence", [None, 0.25])
@pytest.mark.parametrize("odds", [None, DigitOdds(slope=1.0, offset=-2.0)])
def test_no_fewer_are_rejected_than_before(moved: float, min_confidence: float | None, odds: DigitOdds | None) -> None:
    """Wherever teaching has moved the energies; and hardly more, unless the old threshold does so by itself."""
    before, after, old = logits(0, 0.0), logits(1, moved), judged_by(-2.8, min_confidence, odds)
    found = refit_energy(looked(others=before), looked(others=after), old, odds)
    assert found is not None
    assert found <= -2.8
    wanted, by_old = rejected(before, old), rejected(after, old)
    assert 0 < wanted < 500
    assert wanted <= rejected(after, judged_by(found, min_confidence, odds)) <= max(wanted + 2, by_old)


@pytest.mark.parametrize("moved", [-1.0, 0.0, 0.7])
def test_digits_are_kept_first(moved: float) -> None:
    """As many of each set are right as before, whatever that lets through; and no more than that asks for."""
    old = judged_by(-5.0)
    before = looked(digits(0, 0.5), digits(1, 0.0), others=logits(2, 0.0))
    after = looked(digits(0, 0.5 + moved), digits(1, moved), others=logits(2, 3.0))  # the others look like digits now
    found = refit_energy(before, after, old, None)
    assert found is not None
    kept = [len(each) - rejected(each, judged_by(found)) for each in after.digits]
    wanted = [len(each) - rejected(each, old) for each in before.digits]
    assert all(now - then >= 0 for now, then in zip(kept, wanted, strict=True))
    assert min(now - then for now, then in zip(kept, wanted, strict=True)) <= 1


def test_a_handful_of_digits_moves_nothing() -> None:
    """What a few pictures would say is chance; so are odds that were fitted on them."""
    few, old = looked(digits(0, 9.0, 20), others=logits(2, 0.0)), judged_by(-2.8, None, DigitOdds(slope=1, offset=0))
    assert refit_energy(few, few, old, None) == -2.8
    assert refit_odds(few, few, old) == old.digit_odds


@pytest.mark.parametrize("moved", [0.0, 1.5])
def test_a_picture_keeps_its_odds_when_all_energies_move(moved: float) -> None:
    """An energy means what the one meant that it was before."""
    old = judged_by(0.0, None, DigitOdds(slope=0.8, offset=-1.0))
    before = looked(digits(0, 3.0), others=logits(2, 0.0))  # so that they overlap
    after = looked(before.digits[0] - moved, others=before.others - moved)
    found = refit_odds(before, after, old)
    assert found is not None
    assert found.slope == pytest.approx(0.8, abs=0.01)
    assert found.offset == pytest.approx(-1.0 + 0.8 * moved, abs=0.03)


def test_without_a_threshold_or_pictures_nothing_changes() -> None:
    """A model that rejects nothing goes on so."""
    nothing, some = looked(others=logits(0, 0, 0)), looked(others=logits(0, 5))
    assert refit_energy(some, some, judged_by(None), None) is None
    assert refit_energy(nothing, nothing, judged_by(-1.0), None) == -1.0
    assert refit_energy(some, some, judged_by(10.0), None) == 10.0
    assert refit_odds(some, some, judged_by(1.0)) is None
