"""Accuracy, calibration and thresholds, on logits whose answers are known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from service.model.artifact import load_artifact
from training.data.mnist import Digits
from training.errors import TrainingError
from training.judge.measure import fit_temperature, logits_of, measure, served_logits
from training.judge.rejection import ENERGIES, OTHERS_REJECTED, UNSURE, fit_thresholds, rejection_by_kind
from training.publish.parity import network_in
from training.synth.pool import NO_DIGIT

MODELS = Path(__file__).resolve().parents[3] / "models" / "digits"


def confident(labels: torch.Tensor, confidence: float) -> torch.Tensor:
    """Return logits that give each label a probability, and the nine others the rest in equal parts."""
    logits = torch.zeros(len(labels), 10)
    logits[torch.arange(len(labels)), labels] = math.log(9 * confidence / (1 - confidence))
    return logits


def test_metrics_count_what_they_say() -> None:
    """Three of four right at 80 % confidence: accuracy 0.75, calibration error 0.05, one confusion."""
    answers, labels = torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 5])
    metrics = measure(confident(answers, 0.8), labels)
    assert metrics.accuracy == 0.75
    assert metrics.ece == pytest.approx(0.05, abs=1e-6)
    assert metrics.confusion[5][4] == 1
    assert sum(map(sum, metrics.confusion)) == 4
    assert sum(each.count for each in metrics.reliability) == 4


def test_the_fitted_temperature_undoes_overconfidence() -> None:
    """Logits that are right 80 % of the time and three times too large get a temperature of three."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (20_000,), generator=generator)
    wrong = torch.rand(20_000, generator=generator) > 0.8
    answers = torch.where(wrong, (labels + torch.randint(1, 10, (20_000,), generator=generator)) % 10, labels)
    logits = 3 * confident(answers, 0.8)
    temperature = fit_temperature(logits, labels)
    assert temperature == pytest.approx(3, rel=0.03)
    assert measure(logits, labels, temperature).ece < 0.01 < measure(logits, labels).ece


def test_served_logits_are_calibrated_and_of_both_looks() -> None:
    """Sure pictures have the network's logits over the temperature, doubtful ones the mean over nine places."""
    net = network_in(load_artifact(MODELS))
    images = np.zeros((4, 28, 28), np.uint8)
    images[:2, 4:24, 13:16] = 255
    images[2:, 8:20, 8:20] = np.random.default_rng(0).integers(0, 256, (2, 12, 12), dtype=np.uint8)
    digits = Digits(torch.from_numpy(images), torch.zeros(4, dtype=torch.long))
    served = served_logits(net, digits, 1.7)
    torch.testing.assert_close(served[:2], logits_of(net, digits)[:2] / 1.7)
    for place in (2, 3):
        moves = [np.roll(images[place], (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        nine = Digits(torch.from_numpy(np.stack(moves)), torch.zeros(9, dtype=torch.long))
        torch.testing.assert_close(served[place], logits_of(net, nine).mean(dim=0) / 1.7, rtol=1e-4, atol=1e-4)
        assert (served[place] - logits_of(net, digits)[place] / 1.7).abs().max() > 0.1


def none_rejected(count: int) -> torch.Tensor:
    """Say of so many pictures that preprocessing turned down none."""
    return torch.zeros(count, dtype=torch.bool)


def test_thresholds_lose_few_digits_and_reject_the_rest() -> None:
    """At most 1 % of the digits they were fitted on are lost, and enough of the flat logits are rejected."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(5000) % 10
    digits = confident(labels, 0.99) + 0.3 * torch.randn(5000, 10, generator=generator) + 2
    others = -3 + 0.3 * torch.randn(500, 10, generator=generator)
    logits, both = torch.cat([digits, others]), torch.cat([labels, torch.full((500,), NO_DIGIT)])
    thresholds = fit_thresholds(logits, both, none_rejected(5500))
    kinds = np.array(["digit"] * 5000 + ["other"] * 500)
    shares = rejection_by_kind(logits, kinds, np.zeros(5500, bool), thresholds)
    assert shares["digit"] <= 0.01
    assert shares["other"] >= OTHERS_REJECTED
    assert thresholds.max_energy > 0  # no stricter than that takes
    assert thresholds.min_confidence <= UNSURE


def test_what_preprocessing_rejects_stays_rejected() -> None:
    """A picture that the ink itself turned down counts as rejected, however sure the network is."""
    labels = torch.arange(100) % 10
    logits = confident(labels, 0.99)
    thresholds = fit_thresholds(logits, labels, none_rejected(100))
    shares = rejection_by_kind(logits, np.array(["ink"] * 100), np.ones(100, bool), thresholds)
    assert shares == {"ink": 1.0}


def test_too_lenient_thresholds_are_tightened() -> None:
    """Where the network takes other pictures for digits, the energy falls below even odds until enough are rejected."""
    labels = torch.arange(1000) % 10
    energies = torch.linspace(-2, 4, 500)
    others = confident(torch.zeros(500, dtype=torch.long), 0.999)
    others = others - others.logsumexp(dim=1, keepdim=True) - energies[:, None]
    logits = torch.cat([confident(labels, 0.99) + 5, others])
    both = torch.cat([labels, torch.full((500,), NO_DIGIT)])
    thresholds = fit_thresholds(logits, both, none_rejected(1500))
    kinds = np.array(["digit"] * 1000 + ["other"] * 500)
    shares = rejection_by_kind(logits, kinds, np.zeros(1500, bool), thresholds)
    assert thresholds.max_energy < 0
    assert OTHERS_REJECTED <= shares["other"] < OTHERS_REJECTED + 0.03
    assert shares["digit"] <= 0.01

    by_ink = both == NO_DIGIT
    by_ink[1000:1040] = False  # the ink turns down all but the 40 that look most like a digit: more than enough
    assert fit_thresholds(logits, both, by_ink).max_energy == ENERGIES[0]


def test_a_network_that_knows_nothing_gets_no_thresholds() -> None:
    """Where no digit would be accepted, the error says so."""
    labels = torch.cat([torch.arange(100) % 10, torch.full((100,), NO_DIGIT)])
    with pytest.raises(TrainingError, match=r"no validation digit is accepted.*train for longer"):
        fit_thresholds(torch.zeros(200, 10), labels, none_rejected(200))
