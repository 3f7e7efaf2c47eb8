"""The curves of "no digit": what a threshold rejects of the signs when it loses a share of the digits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.artifact import DigitOdds, Manifest, Thresholds
from service.model.session import Outputs
from training.judge.curves import LOST, curves, table
from training.synth.pool import NO_DIGIT, Pool

MANIFEST = Manifest.model_construct(thresholds=Thresholds(), digit_odds=DigitOdds(slope=1.0, offset=0.0))
DIGITS, SIGNS = 1000, 100


def run(images: NDArray[np.uint8]) -> Outputs:
    """Give the largest pixel of an image, less 100, as the logit of 0 and -200 to the rest."""
    logits = np.full((len(images), 10), -200, np.float32)
    logits[:, 0] = images.max((1, 2)).astype(np.float32) - 100
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return Outputs(logits, powers / powers.sum(1, keepdims=True))


def pool(rejected_signs: int = 0) -> Pool:
    """1,000 digits, of which 5 are as faint as signs are, and 100 signs, half of them fainter than every digit."""
    brightness = np.concatenate([np.full(5, 120), np.full(DIGITS - 5, 250), np.full(50, 100), np.full(50, 130)])
    images = np.zeros((DIGITS + SIGNS, 28, 28), np.uint8)
    images[:, 10:18, 10:18] = brightness[:, None, None]
    labels = np.array([0] * DIGITS + [NO_DIGIT] * SIGNS)
    kinds = np.array(["mail||"] * DIGITS + ["letters||"] * SIGNS)
    rejected = np.arange(DIGITS + SIGNS) >= DIGITS + SIGNS - rejected_signs
    return Pool(images, labels, kinds, rejected)


def test_a_threshold_rejects_what_is_beyond_the_digits_that_it_keeps() -> None:
    """Without the five faint digits all signs go; with them only those that are fainter still."""
    for name in ("energy, one pass", "energy, as served", "energy, mean of nine passes", "largest logit"):
        found = dict(zip(LOST, curves(run, MANIFEST, pool())[name], strict=True))
        assert found[0.003] == pytest.approx(0.5)
        assert found[0.008] == pytest.approx(1)


def test_a_measure_that_says_the_same_of_all_rejects_nothing() -> None:
    """All nine passes name the same digit, as sure as can be: what is left are the pictures rejected before."""
    found = curves(run, MANIFEST, pool(rejected_signs=20))
    assert found["largest probability"] == pytest.approx([0.2] * len(LOST))


def test_the_table_is_in_per_cent() -> None:
    """One row for each measure, one column for each share."""
    text = table(curves(run, MANIFEST, pool()))
    assert text.splitlines()[0].startswith("| judged by | 0.3 % lost |")
    assert "| energy, one pass | 50.0 |" in text
    assert "confidence, as served" in text
