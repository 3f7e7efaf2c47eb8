"""More weights to train than to serve: layers whose weights are products of larger ones, and one network in the end."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.network.convnet import ConvNet


class Product(nn.Module):
    """A layer's weights `[out, in, ...]` as `[out, m]` times `[m, n, ...]`, times `[n, in]` where that is wanted.

    The network that such layers make is the same as before, but each of its weights moves with many others, which ends
    in another minimum. Source: Guo, Alvarez and Salzmann 2020, "ExpandNets".

    Args:
        times: how many times as large m is as out, and n as in.
        inner: whether there is the last factor.
    """

    def __init__(self, times: int, *, inner: bool) -> None:
        super().__init__()
        self.times, self.inner = times, inner

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, ...]:
        """Draw factors; of `weight` only the shape counts.

        The standard deviation of their product is about 1 / sqrt(inputs of one output), twice that of torch's start.
        """
        outputs, inputs, *kernel = weight.shape
        wide = self.times * outputs
        between = self.times * inputs if self.inner else inputs
        outer = torch.randn(outputs, wide) / math.sqrt(wide)
        middle = torch.randn(wide, between, *kernel) / math.sqrt(weight[0].numel())
        if not self.inner:
            return outer, middle
        return outer, middle, torch.eye(between, inputs) + 0.1 * torch.randn(between, inputs)

    def forward(self, outer: Tensor, middle: Tensor, *inner: Tensor) -> Tensor:
        """Multiply the factors."""
        weight = torch.tensordot(outer, middle, 1)
        return torch.einsum("on...,ni->oi...", weight, inner[0]) if inner else weight


def expand(net: ConvNet, times: int) -> None:
    """Let the network train on products in place of its weights, all but the last layer's; draws them anew."""
    for layer, inner in ((net.conv1, False), (net.conv2, True), (net.fc1, False)):
        parametrize.register_parametrization(layer, "weight", Product(times, inner=inner))
