"""The attack measures what it says, so that its finding nothing means something."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.session import Outputs
from training.judge.membership import _both_ways, attack

NOISE = np.random.default_rng(0)


def test_it_finds_nothing_where_there_is_nothing() -> None:
    """Members and others from one distribution: chance."""
    found = attack(NOISE.random(4000), NOISE.random(4000))
    assert found.auc == pytest.approx(0.5, abs=0.02)
    assert found.advantage < 0.05
    assert found.found < 0.03


def test_it_finds_everyone_where_confidence_tells_all() -> None:
    """A model that is surer of each member than of any other picture gives itself away."""
    found = attack(0.9 + 0.1 * NOISE.random(100), 0.8 * NOISE.random(300))
    assert (found.auc, found.advantage, found.found) == (1.0, 1.0, 1.0)
    assert (found.members, found.others) == (100, 300)


def test_equal_confidences_tell_nothing() -> None:
    """Ties count a half, and no threshold parts them."""
    found = attack(np.ones(50), np.ones(70))
    assert (found.auc, found.advantage, found.found) == (0.5, 0.0, 0.0)


def test_a_known_case_by_hand() -> None:
    """Of 2 x 2 pairs three are in order; the threshold 0.8 finds one member and no other."""
    found = attack(np.array([0.8, 0.4]), np.array([0.6, 0.2]))
    assert (found.auc, found.advantage, found.found) == (0.75, 0.5, 0.5)


class Session:
    """Two classes, of which the first pixel says how sure it is."""

    artifact = SimpleNamespace(manifest=SimpleNamespace(temperature=2.0))

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Answer N pictures."""
        one = images[:, 0, 0].astype(np.float32) / 64
        logits = np.stack([np.zeros_like(one), one], axis=1)
        return Outputs(logits, logits)


def test_the_temperature_is_taken_out_for_the_attack_before_calibration() -> None:
    """A temperature of 2 halves the logits: without it they are twice as large, and in two classes the order stays."""
    images = np.zeros((4, 28, 28), np.uint8)
    images[:, 0, 0] = (250, 100, 200, 50)
    ones = np.ones(2, np.int64)
    found = _both_ways(Session(), (images[:2], ones), (images[2:], ones))  # type: ignore[arg-type]
    assert found["before calibration"] == found["calibrated"]
    assert found["calibrated"].auc == 0.75
