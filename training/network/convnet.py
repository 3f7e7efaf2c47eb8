"""The article's ConvNet, and the graph that serves it: uint8 picture in, calibrated probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

# Normalize(mean=0.5, std=0.5) of a pixel in 0..1 equals pixel * 2 / 255 - 1 of a pixel in 0..255.
PIXEL_SCALE: Final = 2.0 / 255.0


@dataclass(frozen=True)
class Widths:
    """Output channels of each layer; the article's unless told otherwise."""

    conv1: int = 10
    conv2: int = 20
    fc1: int = 50
    classes: int = 10


ARTICLE: Final = Widths()


class ConvNet(nn.Module):
    """Two 5x5 convolutions and two affine layers: 21,840 parameters at the article's widths.

    Input float32 `[N, 1, 28, 28]` in -1..1 (see `normalise`), output logits float32 `[N, classes]`.
    """

    def __init__(self, widths: Widths = ARTICLE) -> None:
        """Initialise the weights from torch's global generator; seed it first."""
        super().__init__()
        self.conv1 = nn.Conv2d(1, widths.conv1, kernel_size=5)  # [N, 10, 24, 24]
        self.conv2 = nn.Conv2d(widths.conv1, widths.conv2, kernel_size=5)  # [N, 20, 8, 8], after a pool to 12x12
        self.fc1 = nn.Linear(widths.conv2 * 4 * 4, widths.fc1)
        self.fc2 = nn.Linear(widths.fc1, widths.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        hidden = self._shrink(self.conv1(images))
        hidden = self._shrink(self.conv2(hidden))
        hidden = functional.relu(self.fc1(hidden.flatten(1)))
        logits: Tensor = self.fc2(hidden)
        return logits

    def _shrink(self, maps: Tensor) -> Tensor:
        """ReLU, then max-pooling; in training the other way round: the same to the bit, and faster."""
        if self.training:
            return functional.relu_(functional.max_pool2d(maps, 2))
        return functional.max_pool2d(functional.relu(maps), 2)


class ServedNet(nn.Module):
    """A trained ConvNet with everything numeric around it, so that the serving code needs no constant.

    Input uint8 `[N, 28, 28]` (0 background, 255 ink); outputs logits and probabilities float32 `[N, 10]`, where the
    logits are already divided by the temperature: probabilities = softmax(logits).
    """

    def __init__(self, net: ConvNet, temperature: float) -> None:
        """Wrap a network; temperature > 0 divides its logits (Guo et al. 2017, "On Calibration")."""
        super().__init__()
        self.net = net
        self.temperature: Tensor
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return (logits, probabilities)."""
        logits = self.net(normalise(images)) / self.temperature
        return logits, functional.softmax(logits, dim=1)


def normalise(images_u8: Tensor) -> Tensor:
    """Bring uint8 `[N, 28, 28]` in 0..255 to float32 `[N, 1, 28, 28]` in -1..1."""
    return images_u8.unsqueeze(1).to(torch.float32) * PIXEL_SCALE - 1.0


def count_parameters(net: nn.Module) -> int:
    """Count the trainable numbers of a network."""
    return sum(parameter.numel() for parameter in net.parameters())
