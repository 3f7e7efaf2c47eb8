"""The gate: a worse model is not published, and neither is a better one that forgot."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.artifact import Thresholds
from service.model.session import Outputs
from training.errors import GateError
from training.judge.gate import Comparison, compare, require_better

LABELS = ("0", "1")


def found(before: int, after: int, of: int = 1000, **losses: float) -> Comparison:
    """Make a comparison in which nothing that was right became wrong, or the other way round."""
    fixed, broken = max(0, after - before), max(0, before - after)
    return Comparison(of, before, after, fixed, broken, losses.get("loss_before", 0.1), losses.get("loss_after", 0.1))


class Fixed:
    """A session that gives each picture the probability of a 1 that stands in its one pixel, in 255ths."""

    def __init__(self, shift: int = 0, labels: tuple[str, ...] = LABELS, min_confidence: float | None = None) -> None:
        self._shift = shift
        thresholds = Thresholds(min_confidence=min_confidence)
        manifest = SimpleNamespace(labels=labels, thresholds=thresholds, digit_odds=None)
        self.artifact = SimpleNamespace(manifest=manifest)

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Answer N pictures."""
        one = np.clip(images.max(axis=(1, 2)).astype(np.float32) + self._shift, 1, 254) / 255
        rows = np.stack([1 - one, one], axis=1)
        return Outputs(np.log(rows), rows)


def pictures(*levels: int) -> NDArray[np.uint8]:
    """Make pictures of one pixel each, of these levels, where moving it changes nothing."""
    images = np.zeros((len(levels), 28, 28), np.uint8)
    images[:, 14, 14] = levels
    return images


def compared(before: Fixed, after: Fixed, images: NDArray[np.uint8], labels: Sequence[str | None]) -> Comparison:
    """Compare two sessions that are stand-ins."""
    return compare(before, after, images, labels)  # type: ignore[arg-type]


def test_a_version_that_is_right_less_often_is_not_published() -> None:
    """The message has both figures and the remedy."""
    with pytest.raises(GateError, match=r"not published: 900 of 1000 held-out images are right, before 901"):
        require_better(found(901, 900), found(990, 999), bound=0.2)


def test_a_version_that_changes_nothing_is_not_published() -> None:
    """As good is not better."""
    with pytest.raises(GateError, match="held-out"):
        require_better(found(900, 900), found(990, 990), bound=0.2)


def test_as_many_right_answers_with_more_certainty_are_better() -> None:
    """Where all were right before, the log loss decides."""
    require_better(found(1000, 1000, loss_before=0.02, loss_after=0.01), found(990, 990), bound=0.2)
    with pytest.raises(GateError, match=r"log loss 0.0200, before 0.0100"):
        require_better(found(1000, 1000, loss_before=0.01, loss_after=0.02), found(990, 990), bound=0.2)


@pytest.mark.parametrize(("after", "passes"), [(9921, True), (9920, True), (9919, False)])
def test_what_is_forgotten_has_a_bound(after: int, passes: bool) -> None:
    """0.20 points of 10,000 pictures are 20 pictures; the 21st is too many."""
    old = found(9940, after, of=10_000)
    if passes:
        require_better(found(900, 950), old, bound=0.2)
    else:
        with pytest.raises(
            GateError, match=r"0\.21 points fewer are right on 10000 old images, expected at most 0\.20"
        ):
            require_better(found(900, 950), old, bound=0.2)


def test_where_forgetting_cannot_be_measured_publishing_must_be_asked_for() -> None:
    """Nobody is told that nothing was forgotten where nobody looked."""
    with pytest.raises(GateError, match="--unmeasured"):
        require_better(found(900, 950), None, bound=0.2)
    require_better(found(900, 950), None, bound=0.2, unmeasured=True)


def test_a_comparison_counts_what_was_fixed_and_what_was_broken() -> None:
    """Not only the sums: three fixed and one broken are two more, and hardly more than chance."""
    images = pictures(100, 110, 120, 10, 100)
    result = compared(Fixed(), Fixed(shift=60), images, ["1", "1", "1", "0", "0"])
    assert (result.right_before, result.right_after, result.fixed, result.broken) == (2, 4, 3, 1)
    assert result.points == pytest.approx(40)
    assert result.chance == pytest.approx(2 * 5 / 16)  # of 4 changes, 0 or 1 the other way, on both sides


def test_a_rejected_picture_is_not_answered_rightly() -> None:
    """The comparison is of what is served, thresholds and all."""
    images = pictures(200, 250)
    strict = Fixed(min_confidence=0.9)
    assert compared(Fixed(), strict, images, ["1", "1"]).right_after == 1


def test_the_gate_looks_twice_as_the_service_does() -> None:
    """A picture that is a 1 by a hair, and a 0 once it is moved, is answered as a 0."""

    class Shaky(Fixed):
        def run(self, images: NDArray[np.uint8]) -> Outputs:
            one = np.where(images[:, 14, 14] > 0, 0.55, 0.05).astype(np.float32)
            rows = np.stack([1 - one, one], axis=1)
            return Outputs(np.log(rows), rows)

    result = compared(Fixed(), Shaky(), pictures(255, 255), ["1", "0"])
    assert (result.right_before, result.right_after, result.fixed, result.broken) == (1, 1, 1, 1)


def test_a_version_that_lacks_a_label_has_no_log_loss_and_is_never_right_about_it() -> None:
    """A new class is new: before, every one of its pictures was wrong."""
    result = compared(Fixed(labels=("0", "7")), Fixed(), pictures(250, 240), ["1", "1"])
    assert (result.loss_before, result.right_before, result.right_after) == (None, 0, 2)
    assert result.is_better


def test_a_picture_that_ought_to_be_rejected_is_right_when_it_is() -> None:
    """A version that answers where the old one had doubts is worse, however sure it is."""
    result = compared(Fixed(min_confidence=0.9), Fixed(), pictures(255, 128), [None, None])
    assert (result.right_before, result.right_after, result.broken) == (1, 0, 1)
    assert result.loss_before is None
