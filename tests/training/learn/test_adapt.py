"""Fine-tuning learns the new pictures and keeps the old answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from samples import stripes, untrained_net

from training.data.mnist import Digits
from training.judge.measure import logits_of
from training.learn.adapt import Adaptation, adapt, blend, widen
from training.learn.augment import Augmentation
from training.network.convnet import ConvNet

STILL = Augmentation(rotate_degrees=0, scale=0, shear=0, shift_pixels=0, elastic_pixels=0)
QUICK = Adaptation(epochs=4, min_batches=15, batch_size=32, replayed=64, learning_rate=0.01, augmentation=STILL)


def accuracy(net: torch.nn.Module, digits: Digits) -> float:
    """Share of right answers."""
    return float((logits_of(net, digits).argmax(dim=1) == digits.labels).float().mean())  # type: ignore[arg-type]


def columns(count: int = 200) -> Digits:
    """Make pictures of another kind: stripes that stand."""
    digits = stripes(count)
    return Digits(digits.images.transpose(1, 2).contiguous(), digits.labels)


def test_new_pictures_are_learnt_while_old_ones_are_replayed_and_kept() -> None:
    """Both kinds are answered better, or as well, after fine-tuning; without replay the old kind would be lost."""
    base = untrained_net()
    old, new = stripes(), columns()
    floor = accuracy(base, old)
    adapted = adapt(base, (new, new), (old, old), QUICK, lambda _: None, lambda net: accuracy(net, old) >= floor)
    assert accuracy(adapted.net, new) > accuracy(base, new) + 0.3
    assert accuracy(adapted.net, old) >= floor


@pytest.mark.parametrize("limit", [0.0, 0.35, 0.8, 1.0])
def test_it_goes_no_farther_than_is_allowed(limit: float) -> None:
    """The farthest allowed share of the way is found by asking five times at most."""
    base, new, old, asked = untrained_net(), columns(), stripes(), []
    short = replace(QUICK, epochs=1, min_batches=5)

    def allow(net: ConvNet) -> bool:
        asked.append(float((net.fc2.bias - base.fc2.bias).detach().norm()))
        return asked[-1] <= limit * whole + 1e-6

    whole = float("inf")
    tuned = adapt(base, (new, new), (old, old), short, lambda _: None, lambda _: True)
    whole = float((tuned.net.fc2.bias - base.fc2.bias).detach().norm()) / tuned.share
    found = adapt(base, (new, new), (old, old), short, lambda _: None, allow)
    assert found.share == min(limit, tuned.share)
    assert len(asked) <= 5


def test_the_same_seed_gives_the_same_weights() -> None:
    """A fine-tuning can be repeated to the bit."""
    runs = [adapt(untrained_net(), (columns(), columns()), None, QUICK, lambda _: None) for _ in range(2)]
    for one, other in zip(runs[0].net.parameters(), runs[1].net.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_stops_when_validation_no_longer_improves_and_keeps_the_best() -> None:
    """With labels that contradict training nothing can improve: the base comes back as it was."""
    new = columns()
    wrong = Digits(new.images, (new.labels + 5) % 10)
    base = learnt_on(wrong)
    how = Adaptation(epochs=12, patience=2, min_batches=10, learning_rate=0.01, augmentation=STILL, distillation=0)
    adapted = adapt(base, (new, wrong), None, how, lambda _: None)
    assert (adapted.best_epoch, len(adapted.history)) == (0, 3)
    for one, other in zip(adapted.net.parameters(), base.parameters(), strict=True):
        assert torch.equal(one, other)


def learnt_on(digits: Digits) -> torch.nn.Module:
    """Return a network that knows these pictures."""
    how = Adaptation(epochs=6, min_batches=20, learning_rate=0.01, augmentation=STILL, distillation=0)
    base = untrained_net()
    found = adapt(base, (digits, digits), None, how, lambda _: None)
    assert found.share == 0.5
    return blend(base, found.net, 2.0)  # the whole way, of which half was gone


def test_a_wider_network_answers_as_before_on_the_labels_that_it_had() -> None:
    """New outputs come behind the old ones and change none of them."""
    base, images = untrained_net(), stripes(20)
    wider = widen(base, 12, seed=0)
    assert logits_of(wider, images).shape == (20, 12)
    assert torch.equal(wider.fc2.weight[:10], base.fc2.weight)
    assert torch.equal(wider.fc2.bias[:10], base.fc2.bias)
    # Not to the bit: a wider product may add in another order. float32 rounds 50 terms to about 1e-6.
    torch.testing.assert_close(logits_of(wider, images)[:, :10], logits_of(base, images), rtol=1e-5, atol=1e-5)


def test_a_blend_lies_between_its_ends() -> None:
    """Share 0 is the old network, 1 the new one."""
    one, other = untrained_net(1), untrained_net(2)
    assert torch.equal(blend(one, other, 0.0).fc1.weight, one.fc1.weight)
    torch.testing.assert_close(blend(one, other, 1.0).fc1.weight, other.fc1.weight)
    torch.testing.assert_close(blend(one, other, 0.5).fc2.bias, (one.fc2.bias + other.fc2.bias) / 2)
