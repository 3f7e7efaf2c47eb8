"""scikit-learn's digits as a source of the leaderboard: at each size, or not at all."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.settings import SHIPPED_MODEL
from training.judge.bundled import NAME, SIZES, enlarged, load_bundled
from training.judge.leaderboard import answer_all, leaderboard


def test_the_shipped_model_reads_them_at_each_size() -> None:
    """A row for each size, of 1,797 digits; more pixels of the same digit do no harm."""
    pool = load_bundled()
    assert pool is not None
    session = DigitSession(load_artifact(SHIPPED_MODEL), "cpu")
    rows = {row.name: row for row in leaderboard(answer_all(session.run, session.artifact.manifest, pool), pool)}
    found = [rows[f"{NAME}, {side} pixels"] for side in SIZES]
    assert all(row.pictures == 1797 for row in found)
    assert min(row.right for row in found) > 0.88
    assert max(row.confident for row in found) < 0.01


def test_a_digit_is_sent_as_it_is_or_larger() -> None:
    """Eight pixels stay what they are; enlarged ones keep their ink and have soft steps."""
    digit = np.full((8, 8), 255, np.uint8)
    digit[2:6, 3:5] = 0
    assert enlarged(digit, 8) is digit
    large = enlarged(digit, 64)
    assert large.shape == (64, 64)
    assert (255 - large).mean() == pytest.approx((255 - digit).mean(), rel=0.1)
    assert len(np.unique(large)) > 16


def test_without_scikit_learn_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra of the tests; training works without it."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert load_bundled() is None
