"""Other people's shapes: what makes a 1, a 7 and a 0 theirs."""

from __future__ import annotations

import numpy as np
import pytest

from training.synth.habits import barred_seven, caret_one, european_one, struck_zero, with_habits
from training.synth.strokes import Strokes, polyline

SEEDS = range(20)


def ring() -> Strokes:
    """Draw a plain 0."""
    angle = np.linspace(0, 2 * np.pi, 40)
    points = np.stack([0.5 + 0.2 * np.cos(angle), 0.5 + 0.34 * np.sin(angle)], 1)
    return polyline(*map(tuple, points.tolist()))


def test_a_european_one_has_a_long_up_stroke() -> None:
    """Its top is the joint, its up-stroke starts at least a tenth of the square to the left and below."""
    for seed in SEEDS:
        one = european_one(np.random.default_rng(seed))
        top = one.points[:, 1].argmin()
        assert one.points[0, 0] < one.points[top, 0] - 0.03
        assert one.points[0, 1] > one.points[top, 1] + 0.03


def test_the_up_stroke_of_a_caret_one_starts_near_the_base_line() -> None:
    """From the lower half to the top and down again: two legs, the left one to the left of the stem's foot."""
    for seed in SEEDS:
        points = caret_one(np.random.default_rng(seed)).points
        height = float(np.ptp(points[:, 1]))
        foot = points[points[:, 1].argmax()]
        assert points[0, 1] > points[:, 1].min() + 0.55 * height
        assert points[0, 0] < max(foot[0], points[points[:, 1].argmin(), 0])


def test_a_bar_crosses_the_stem_of_a_seven() -> None:
    """The bar is added, level, and reaches beyond the stem on both sides."""
    seven: Strokes = polyline((0.25, 0.15), (0.75, 0.15), (0.45, 0.9), steps=60)
    barred = barred_seven(seven, np.random.default_rng(0))
    bar = barred.points[len(seven.points) :]
    assert len(bar) > 2
    assert np.ptp(bar[:, 0]) > 0.15
    assert np.ptp(bar[:, 1]) < 0.2


def test_a_zero_is_struck_through_its_middle() -> None:
    """What is added passes the ring's centre, be it a stroke or a dot; the ring stays as it is."""
    zero = ring()
    for seed in SEEDS:
        struck = struck_zero(zero, np.random.default_rng(seed))
        added = struck.points[len(zero.points) :]
        np.testing.assert_array_equal(struck.points[: len(zero.points)], zero.points)
        assert np.hypot(*(added - added.mean(0)).T).max() < 0.6
        assert np.hypot(*(added.mean(0) - 0.5)) < 0.03


@pytest.mark.parametrize("label", [2, 3, 4, 5, 6, 8, 9])
def test_digits_without_another_habit_stay_as_they_are(label: int) -> None:
    """Only 0, 1 and 7 are written otherwise elsewhere."""
    zero = ring()
    assert all(with_habits(zero, label, np.random.default_rng(seed)) is zero for seed in SEEDS)
