"""What a confidence means: fitted with every source weighing the same, and on digits and signs together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.judge.calibration import (
    DIGITS_LOST,
    DIGITS_UNSURE,
    balanced,
    digit_share,
    fit_answer,
    fit_odds,
    fit_real_temperature,
    group_of,
)
from training.synth.pool import NO_DIGIT, Pool


def pool(kinds: list[str], labels: list[int], rejected: list[int] | None = None) -> Pool:
    """Make up a pool whose pictures do not matter."""
    turned_down = np.zeros(len(labels), bool)
    turned_down[rejected or []] = True
    return Pool(np.zeros((len(labels), 28, 28), np.uint8), np.array(labels), np.array(kinds), turned_down)


def made_up(digits: int = 4000, signs: int = 2000) -> tuple[torch.Tensor, Pool]:
    """Return logits of digits with low energies and of signs with high ones, which overlap a little, and their pool."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(digits + signs) % 10
    height = torch.cat([4 + torch.randn(digits, generator=generator), -2 + torch.randn(signs, generator=generator)])
    logits = torch.full((digits + signs, 10), -9.0)
    logits[torch.arange(digits + signs), labels] = height
    kinds = ["a||"] * (digits // 2) + ["b|X|photo"] * (digits // 2) + ["letters||"] * signs
    return logits, pool(kinds, [*labels[:digits].tolist(), *[NO_DIGIT] * signs])


def test_every_source_weighs_the_same_and_digits_as_much_as_signs() -> None:
    """A source of one picture has the weight of one of three; ways of one source are one source."""
    weights = balanced(pool(["a||", "a||", "a||", "b|X|photo", "b|X|canvas", "s||"], [1, 2, 3, 4, 5, NO_DIGIT]))
    np.testing.assert_allclose(weights, [*[0.25 / 3] * 3, 0.125, 0.125, 0.5])
    assert group_of("b|X|photo") == "b, X"
    assert group_of("a||") == "a"


def test_thresholds_lose_the_share_of_digits_that_they_may() -> None:
    """So many of the digits fall to the energy, so many more to the confidence; most of the signs are rejected."""
    logits, of = made_up()
    fitted = fit_answer(logits, of)
    energies = -torch.logsumexp(logits.double(), dim=1).numpy()
    digits = of.labels != NO_DIGIT
    lost = energies > fitted.thresholds.max_energy
    assert lost[digits].mean() == pytest.approx(DIGITS_LOST, abs=0.002)
    assert lost[~digits].mean() > 0.99
    sure = logits.softmax(1).amax(1).numpy() * digit_share(energies, fitted.odds)
    unsure = ~lost & (sure < fitted.thresholds.min_confidence)
    assert unsure[digits].mean() <= DIGITS_UNSURE + 0.001


def test_the_odds_say_how_often_a_picture_of_that_energy_shows_a_digit() -> None:
    """On made-up pictures whose true odds are known, the fit finds them; weights count as so many pictures."""
    rng = np.random.default_rng(0)
    energies = rng.uniform(-6, 4, 20_000)
    digits = rng.random(20_000) < 1 / (1 + np.exp(1.5 * energies - 0.5))
    odds = fit_odds(energies, digits, np.ones(20_000))
    assert (odds.slope, odds.offset) == (pytest.approx(1.5, abs=0.1), pytest.approx(0.5, abs=0.1))
    doubled = fit_odds(np.tile(energies, 2), np.tile(digits, 2), np.full(40_000, 0.5))
    assert doubled.slope == pytest.approx(odds.slope, abs=1e-3)


def test_the_odds_are_found_where_digits_and_signs_hardly_overlap() -> None:
    """Newton's full step overshoots there; the fit must still separate them between -20 and 0."""
    rng = np.random.default_rng(0)
    energies = np.concatenate([rng.normal(-20, 2, 2000), rng.normal(0, 2, 2000), [-1.0, -19.0]])
    digits = np.array([True] * 2000 + [False] * 2000 + [True, False])
    odds = fit_odds(energies, digits, np.full(4002, 1 / 4002))
    assert digit_share(np.array([-20.0]), odds)[0] > 0.9
    assert digit_share(np.array([0.0]), odds)[0] < 0.1


def test_pictures_that_preprocessing_turned_down_fit_nothing() -> None:
    """However wrong their logits are, the same thresholds come out."""
    logits, of = made_up()
    spoilt = torch.cat([logits, torch.full((50, 10), 30.0)])
    with_them = pool([*of.kinds.tolist(), *["a||"] * 50], [*of.labels.tolist(), *[3] * 50], list(range(6000, 6050)))
    assert fit_answer(spoilt, with_them).thresholds.max_energy == pytest.approx(
        fit_answer(logits, of).thresholds.max_energy, abs=0.05
    )


def test_the_temperature_is_that_of_the_balanced_sources() -> None:
    """Logits that are twice as steep as the truth get the temperature 2."""
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(20_000, 10, generator=generator)
    labels = torch.multinomial((logits / 2).softmax(1), 1, generator=generator)[:, 0]
    of = pool(["a||"] * 20_000, labels.tolist())
    assert fit_real_temperature(logits, of) == pytest.approx(2, rel=0.05)
