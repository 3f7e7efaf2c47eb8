"""Other networks of the article's size, to ask whether its plain convolutions are still the right choice."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.network.convnet import ConvNet, Widths


class DynamicNet(nn.Module):
    """The article's network with a dynamic second convolution: four kernels, mixed anew for each picture.

    Source: Chen et al. 2020, "Dynamic Convolution: Attention over Convolution Kernels". Mixing outputs equals mixing
    kernels, for a convolution is linear. The kernels cost four times the weights, so the layers are narrower.
    """

    kernels, width = 4, 10

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, self.kernels * self.width, 5)
        self.squeeze = nn.Linear(10, 4)
        self.attend = nn.Linear(4, self.kernels)
        self.fc1 = nn.Linear(self.width * 4 * 4, 67)
        self.fc2 = nn.Linear(67, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        hidden = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        attention = self.attend(functional.relu(self.squeeze(hidden.mean(dim=(2, 3))))).softmax(dim=1)
        maps = self.conv2(hidden).unflatten(1, (self.kernels, self.width))  # [N, kernels, width, 8, 8]
        mixed = (maps * attention[:, :, None, None, None]).sum(dim=1)
        hidden = functional.max_pool2d(functional.relu(mixed), 2)
        logits: Tensor = self.fc2(functional.relu(self.fc1(hidden.flatten(1))))
        return logits


class ExcitedNet(nn.Module):
    """The article's network, whose second feature maps are weighed by what all of them show.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks". The gates' weights are taken from the affine layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 5)
        self.conv2 = nn.Conv2d(10, 20, 5)
        self.squeeze = nn.Linear(20, 8)
        self.excite = nn.Linear(8, 20)
        self.fc1 = nn.Linear(20 * 4 * 4, 49)
        self.fc2 = nn.Linear(49, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        hidden = functional.max_pool2d(functional.relu(self.conv1(images)), 2)
        hidden = functional.relu(self.conv2(hidden))
        gates = torch.sigmoid(self.excite(functional.relu(self.squeeze(hidden.mean(dim=(2, 3))))))
        hidden = functional.max_pool2d(hidden * gates[:, :, None, None], 2)
        logits: Tensor = self.fc2(functional.relu(self.fc1(hidden.flatten(1))))
        return logits


class Block(nn.Module):
    """A residual block: a 5x5 convolution of each channel by itself, then two 1x1 convolutions across channels.

    Source: Liu et al. 2022, "A ConvNet for the 2020s", with 5x5 kernels and twice the width inside.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.GroupNorm(1, channels)
        self.expand = nn.Conv2d(channels, 2 * channels, 1)
        self.reduce = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        change: Tensor = self.reduce(functional.gelu(self.expand(self.norm(self.depthwise(maps)))))
        return maps + change


class ResidualNet(nn.Module):
    """Residual blocks with depthwise convolutions and a mean over the last maps in place of affine layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 24, 5, stride=2, padding=0),  # [N, 24, 12, 12]
            Block(24),
            Block(24),
            Block(24),
            nn.Conv2d(24, 40, 2, stride=2),  # [N, 40, 6, 6]
            Block(40),
        )
        self.fc = nn.Linear(40, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of normalised images."""
        logits: Tensor = self.fc(self.layers(images).mean(dim=(2, 3)))
        return logits


CELLS: dict[str, Callable[[], nn.Module]] = {
    "plain (the article's)": lambda: ConvNet(Widths()),
    "dynamic convolution": DynamicNet,
    "squeeze and excitation": ExcitedNet,
    "depthwise residual": ResidualNet,
}
