"""Accuracy, calibration and confusion matrix, from logits and labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from service.model.session import Outputs
from service.recognition.second_look import look_twice
from training.data.mnist import Digits
from training.network.convnet import ConvNet, normalise

# Guo et al. 2017, "On Calibration of Modern Neural Networks", use 15.
CALIBRATION_BINS: Final = 15


@dataclass(frozen=True)
class Bin:
    """The pictures whose confidence falls into one interval: how many, how sure, how often right (both 0..1)."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Metrics:
    """How a network did on labelled pictures."""

    pictures: int
    accuracy: float  # 0..1
    nll: float  # mean negative log-likelihood, nats
    ece: float  # expected calibration error, 0..1
    confusion: list[list[int]]  # [true digit][answer]
    reliability: list[Bin]  # CALIBRATION_BINS intervals of equal width from 0 to 1


@torch.no_grad()
def logits_of(net: ConvNet, digits: Digits, batch_size: int = 1000) -> Tensor:
    """Return the logits float32 `[N, classes]` of all pictures, on the CPU."""
    net.eval()
    parts = [net(normalise(images)).cpu() for images in torch.split(digits.images, batch_size)]
    return torch.cat(parts)


def served_logits(net: ConvNet, digits: Digits, temperature: float) -> Tensor:
    """Return the logits float32 `[N, classes]` with temperature and test-time augmentation, as served."""
    return torch.from_numpy(look_twice(runner_of(net, temperature), digits.images.cpu().numpy()).logits)


def runner_of(net: ConvNet, temperature: float) -> Callable[[NDArray[np.uint8]], Outputs]:
    """Return a function that runs a network once, as the session does: uint8 `[N, 28, 28]` to Outputs."""
    device = next(net.parameters()).device

    def run(images_u8: NDArray[np.uint8]) -> Outputs:
        labels = torch.zeros(len(images_u8), dtype=torch.int64)
        logits = logits_of(net, Digits(torch.from_numpy(images_u8).to(device), labels)) / temperature
        return Outputs(logits.numpy(), logits.softmax(dim=1).numpy())

    return run


def measure(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> Metrics:
    """Measure logits `[N, classes]`, divided by the temperature, against labels `[N]`."""
    labels, classes = labels.cpu(), logits.shape[1]
    log_probabilities = functional.log_softmax(logits.double() / temperature, dim=1)
    confidence, answer = log_probabilities.exp().max(dim=1)
    right = (answer == labels).double()
    bins = _bins(confidence, right)
    ece = sum(each.count * abs(each.confidence - each.accuracy) for each in bins) / len(labels)
    confusion = torch.bincount(labels * classes + answer, minlength=classes**2).reshape(classes, classes)
    return Metrics(
        pictures=len(labels),
        accuracy=float(right.mean()),
        nll=float(functional.nll_loss(log_probabilities, labels)),
        ece=ece,
        confusion=confusion.tolist(),
        reliability=bins,
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature in 0.1..10 that makes the labels most likely (the likelihood has one maximum).

    Source: Guo et al. 2017, section 4.2; here by golden-section search on its logarithm.
    """
    labels = labels.cpu()

    def nll(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits.double() / math.exp(log_temperature), labels))

    low, high = math.log(0.1), math.log(10.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(60):  # the interval shrinks by 0.618 each time: below 1e-11
        left, right = high - golden * (high - low), low + golden * (high - low)
        if nll(left) < nll(right):
            high = right
        else:
            low = left
    return round(math.exp((low + high) / 2), 6)


def _bins(confidence: Tensor, right: Tensor) -> list[Bin]:
    index = (confidence * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
    bins = []
    for place in range(CALIBRATION_BINS):
        inside = index == place
        count = int(inside.sum())
        sure = float(confidence[inside].mean()) if count else 0.0
        accurate = float(right[inside].mean()) if count else 0.0
        bins.append(Bin(count, sure, accurate))
    return bins
