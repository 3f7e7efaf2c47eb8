"""Fine-tune a trained network on new pictures without forgetting the old ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from training.data.mnist import Digits
from training.judge.measure import logits_of
from training.learn.augment import Augmentation, augment
from training.learn.train import with_none
from training.network.convnet import ConvNet, Widths


@dataclass(frozen=True)
class Adaptation:
    """How to fine-tune; every number that the manifest records."""

    epochs: int = 20
    patience: int = 5  # epochs without a better validation loss, after which it stops
    batch_size: int = 64  # new pictures
    replayed: int = 192  # old pictures beside them
    min_batches: int = 20  # in an epoch, however few the new pictures are
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    average_decay: float = 0.98  # of the weights, per step: with a constant learning rate the average is what is good
    new_weight: float = 0.3  # of the loss on new pictures, where old ones are replayed with a weight of 1
    replay_distillation: float = 6.0  # weight of staying close to the old answers to them, "no digit" among these
    distillation: float = 1.0  # the same on the new pictures, where there are no old ones
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    forget: float = 0.1  # percentage points that the old digits to look at may lose by the final blend
    forget_others: float = 0.5  # and those that the share of rejected pictures without a digit may lose


@dataclass(frozen=True)
class Adapted:
    """What came out: the network of the best epoch, and each validation loss in nats (None: unmeasured)."""

    net: ConvNet
    best_epoch: int
    share: float  # of the way from the old weights to the fine-tuned ones
    history: list[dict[str, float | None]]


HALFWAY: Final = 0.5
STEPS: Final = 20  # of the way from the old weights to the new ones
Allow = Callable[[ConvNet], bool]
Told = Callable[[dict[str, float | None]], None]


def widen(net: ConvNet, classes: int, seed: int) -> ConvNet:
    """Return a copy that has `classes` outputs; those that it had answer as before."""
    old = net.fc2.out_features
    widths = Widths(net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        wider = ConvNet(widths)
    new = wider.state_dict()
    for name, value in net.state_dict().items():
        new[name] = torch.cat([value, new[name][old:]]) if name.startswith("fc2.") else value
    wider.load_state_dict(new)
    return wider


def adapt(
    base: ConvNet,
    new: tuple[Digits, Digits],
    old: tuple[Digits, Digits] | None,
    how: Adaptation,
    told: Told,
    allow: Allow | None = None,
) -> Adapted:
    """Train on (training, validation) pictures of the new and the old kind together, until validation stops improving.

    Then mix in the old weights until `allow` accepts what is forgotten; half and half, if that cannot be measured.

    Labels are places among the network's outputs; the one behind the last stands for "no digit" (see `with_none`).

    Most of each batch is old pictures (replay: Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal"),
    and the network is held to its old answers to them (Buzzega et al. 2020, "Dark Experience for General Continual
    Learning"): that keeps the energy, which tells what shows no digit. Without any old pictures it is held to its old
    answers to the new ones (Li and Hoiem 2016, "Learning without Forgetting"), which keeps less.
    """
    net = copy.deepcopy(base).train()
    averaged = copy.deepcopy(base)
    optimizer = torch.optim.AdamW(net.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    generator = torch.Generator().manual_seed(how.seed)
    history: list[dict[str, float | None]] = []
    best, best_epoch, best_loss = copy.deepcopy(base), 0, float("inf")
    batches = max(how.min_batches, len(new[0]) // how.batch_size)
    for epoch in range(how.epochs + 1):  # the first looks only: the network may have nothing to learn
        for _ in range(batches if epoch else 0):
            images, labels = _draw(new[0], how.batch_size, how, generator)
            if old is None:
                loss = _new_loss(net, base, images, labels, how)
            else:
                loss = _both_losses(net, base, images, labels, *_draw(old[0], how.replayed, how, generator), how)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            _follow(averaged, net, how.average_decay)
        losses = [_loss(averaged, part[1]) if part is not None else None for part in (new, old)]
        history.append({"epoch": epoch, "new": losses[0], "old": losses[1]})
        told(history[-1])
        loss_now = sum(each for each in losses if each is not None)
        if loss_now < best_loss:
            best, best_epoch, best_loss = copy.deepcopy(averaged), epoch, loss_now
        if epoch - best_epoch >= how.patience:
            break
    share = HALFWAY if allow is None else _share(base, best, new[1], allow)
    return Adapted(blend(base, best, share).eval(), best_epoch, share, history)


@torch.no_grad()
def blend(base: ConvNet, tuned: ConvNet, share: float) -> ConvNet:
    """Return the network whose weights are the mix of `base` (share 0) and `tuned` (share 1).

    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": most of what fine-tuning gains comes in the
    first half of the way, most of what it costs in the second.
    """
    blended = copy.deepcopy(base)
    for weight, target in zip(blended.parameters(), tuned.parameters(), strict=True):
        weight.lerp_(target, share)
    return blended


def _share(base: ConvNet, tuned: ConvNet, new: Digits, allow: Allow) -> float:
    """Find the farthest share that is allowed, by halving, and of those up to it the one with the least new loss."""
    allowed, too_far = 0, STEPS + 1
    while too_far - allowed > 1:
        middle = (allowed + too_far) // 2
        if allow(blend(base, tuned, middle / STEPS)):
            allowed = middle
        else:
            too_far = middle
    return min(range(allowed + 1), key=lambda step: _loss(blend(base, tuned, step / STEPS), new)) / STEPS


def _draw(digits: Digits, count: int, how: Adaptation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a batch and augment it: float32 [B, 1, 28, 28] in -1..1, and its labels."""
    chosen = digits[torch.randint(len(digits), (count,), generator=generator)]
    return augment(chosen.images.unsqueeze(1).float() / 255, how.augmentation, generator) * 2 - 1, chosen.labels


def _new_loss(net: ConvNet, base: ConvNet, images: Tensor, labels: Tensor, how: Adaptation) -> Tensor:
    logits = net(images)
    with torch.no_grad():
        before = functional.log_softmax(base(images), dim=1)
    now = functional.log_softmax(logits, dim=1)
    kept = functional.kl_div(now, before, reduction="batchmean", log_target=True)
    return functional.cross_entropy(with_none(logits), labels) + how.distillation * kept


def _both_losses(
    net: ConvNet, base: ConvNet, images: Tensor, labels: Tensor, old_images: Tensor, old_labels: Tensor, how: Adaptation
) -> Tensor:
    logits = with_none(net(torch.cat([images, old_images])))
    new, old = logits[: len(images)], logits[len(images) :]
    with torch.no_grad():
        before = with_none(base(old_images)).log_softmax(dim=1)
    kept = functional.kl_div(old.log_softmax(dim=1), before, reduction="batchmean", log_target=True)
    taught = how.new_weight * functional.cross_entropy(new, labels)
    return taught + functional.cross_entropy(old, old_labels) + how.replay_distillation * kept


def _loss(net: ConvNet, digits: Digits) -> float:
    return float(functional.cross_entropy(with_none(logits_of(net, digits)), digits.labels))


@torch.no_grad()
def _follow(averaged: ConvNet, net: ConvNet, decay: float) -> None:
    for slow, fast in zip(averaged.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)
