"""What a taught network may lose is looked at on old pictures of every kind."""

from __future__ import annotations

import torch
from test_finetune import small_digits

from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL
from training.data.mnist import Digits
from training.learn.adapt import Adaptation, blend
from training.network.convnet import ConvNet
from training.publish.bounds import Bounds
from training.publish.old_task import OldTask
from training.publish.parity import network_in

BASE = load_artifact(SHIPPED_MODEL)
NOISE = torch.randint(0, 255, (200, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def bounds(forget: float = 0.0, forget_others: float = 0.0, others: torch.Tensor = NOISE) -> Bounds:
    """Look at real digits, and at noise that is none."""
    digits = small_digits()
    old = OldTask(digits[:0], digits[:400], digits[:0], hands=digits[400:], others=others)
    return Bounds(network_in(BASE), BASE.manifest, old, Adaptation(forget=forget, forget_others=forget_others))


def surer() -> ConvNet:
    """Return the shipped network, but sure that everything is a digit."""
    net = network_in(BASE)
    with torch.no_grad():
        net.fc2.bias += 20
    return net


def test_the_base_itself_is_allowed() -> None:
    """Nothing is lost by it."""
    assert bounds().allow(network_in(BASE))


def test_a_network_that_forgot_digits_is_not_allowed() -> None:
    """However few others it lets through."""
    spoilt = blend(network_in(BASE), ConvNet(), 0.5)
    assert not bounds(forget_others=100).allow(spoilt)
    assert bounds(forget=100, forget_others=100).allow(spoilt)


def test_energies_that_all_moved_are_allowed_because_the_threshold_moves_too() -> None:
    """What is compared is what will be served: threshold and odds are fitted again after teaching.

    Some of the others resemble digits, as real ones do: no odds can be fitted to what is perfectly apart.
    """
    halves = small_digits().images.clone()
    halves[:, 14:] = 0
    assert bounds(others=torch.cat([NOISE, halves])).allow(surer())


def test_a_model_without_pictures_to_reject_is_judged_by_its_digits() -> None:
    """As where only MNIST is there."""
    assert bounds(others=torch.zeros((0, 28, 28), dtype=torch.uint8)).allow(network_in(BASE))
    assert not bounds(others=NOISE[:0]).allow(blend(network_in(BASE), ConvNet(), 0.5))


def test_labels_of_both_sets_count() -> None:
    """MNIST and real handwriting each have a floor of their own."""
    digits = small_digits()
    wrong = Digits(digits.images, (digits.labels + 1) % 10)
    known = Bounds(network_in(BASE), BASE.manifest, OldTask(digits[:0], wrong, digits[:0], digits), Adaptation())
    assert not known.allow(blend(network_in(BASE), ConvNet(), 0.6))
