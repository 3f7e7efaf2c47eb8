"""Teach a smaller network to answer as a larger one does, be it narrower or with most of its weights at zero."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from training.data.mnist import Digits
from training.learn.augment import Augmentation, augment
from training.learn.precision import number_format
from training.learn.train import with_none
from training.network.convnet import ConvNet, Widths

NARROW: Final = Widths(conv1=6, conv2=12, fc1=32)


@dataclass(frozen=True)
class Distillation:
    """How to imitate; the learning rate falls from its peak to 0 as half a cosine."""

    epochs: int = 60
    batch_size: int = 256
    learning_rate: float = 0.006
    softness: float = 2.0  # the temperature at which both networks' answers are compared
    average_decay: float = 0.998
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0


def narrow(teacher: ConvNet, digits: Digits, how: Distillation, widths: Widths = NARROW) -> ConvNet:
    """Return a narrower network that learnt from nothing but the teacher's answers and the labels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        student = ConvNet(widths)
    return imitate(student, teacher, digits, how)


def prune(teacher: ConvNet, digits: Digits, how: Distillation, share: float) -> ConvNet:
    """Set that share of the weights to zero, the smallest of each layer, and let the others make up for it.

    Source: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks".
    """
    masks = {}
    for name, weight in teacher.named_parameters():
        if weight.ndim > 1:
            least = weight.detach().abs().flatten().kthvalue(max(1, round(share * weight.numel()))).values
            masks[name] = (weight.detach().abs() > least).float()
    student = copy.deepcopy(teacher)
    _mask(student, masks)
    return imitate(student, teacher, digits, how, masks)


def imitate(
    student: ConvNet, teacher: ConvNet, digits: Digits, how: Distillation, masks: Mapping[str, Tensor] | None = None
) -> ConvNet:
    """Train a student on changed pictures to give the teacher's answers, half, and the labels, half.

    "No digit" is one of the answers (see `train.with_none`), so that the student's free energy is the teacher's too,
    and the thresholds stay right. Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".
    """
    student = student.train().to(memory_format=torch.channels_last)
    averaged, teacher = copy.deepcopy(student), teacher.eval()
    optimizer = torch.optim.AdamW(student.parameters(), how.learning_rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(how.seed)
    batches = len(digits) // how.batch_size
    steps = how.epochs * batches
    for epoch in trange(how.epochs, desc="distilling", unit="epoch"):
        order = torch.randperm(len(digits), generator=generator)
        for batch in range(batches):
            done = (epoch * batches + batch) / steps
            optimizer.param_groups[0]["lr"] = how.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            chosen = digits[order[batch * how.batch_size : (batch + 1) * how.batch_size]]
            images = augment(chosen.images.unsqueeze(1).float() / 255, how.augmentation, generator) * 2 - 1
            loss = _loss(student, teacher, images, chosen.labels, how.softness)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            _mask(student, masks or {})
            with torch.no_grad():
                for slow, fast in zip(averaged.parameters(), student.parameters(), strict=True):
                    slow.lerp_(fast, 1 - min(how.average_decay, (1 + epoch * batches + batch) / 10))
    _mask(averaged, masks or {})
    return averaged.to(memory_format=torch.contiguous_format).eval()


def zeros(net: nn.Module) -> float:
    """Return the share of a network's weights that are zero."""
    total = sum(weight.numel() for weight in net.parameters())
    return sum(int((weight == 0).sum()) for weight in net.parameters()) / total


def _loss(student: ConvNet, teacher: ConvNet, images: Tensor, labels: Tensor, softness: float) -> Tensor:
    with torch.no_grad():
        wanted = functional.log_softmax(with_none(teacher(images)) / softness, dim=1)
    half = number_format(images.device, bfloat16=True) == "bfloat16"
    with torch.autocast("cpu", torch.bfloat16, enabled=half):  # half the bits for the convolutions alone
        logits = student(images.contiguous(memory_format=torch.channels_last))
    logits = with_none(logits.float())
    given = functional.log_softmax(logits / softness, dim=1)
    apart = functional.kl_div(given, wanted, reduction="batchmean", log_target=True) * softness**2
    return 0.5 * apart + 0.5 * functional.cross_entropy(logits, labels)


@torch.no_grad()
def _mask(net: ConvNet, masks: Mapping[str, Tensor]) -> None:
    for name, weight in net.named_parameters():
        if name in masks:
            weight.mul_(masks[name])
