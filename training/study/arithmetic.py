"""The arithmetic of convolutions: sizes, parameters, multiply-adds and receptive fields of a stack of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from training.errors import TrainingError


class WindowError(TrainingError):
    """A window does not fit into its input."""


@dataclass(frozen=True)
class Layer:
    """One layer by its sizes; `size` is the window's side, unused for affine layers."""

    name: str
    kind: Literal["convolution", "max-pooling", "affine"]
    channels: int
    size: int = 1


@dataclass(frozen=True)
class Cost:
    """What a layer gives and needs for one image.

    Attributes:
        layer: the layer itself.
        shape: of its output: (channels, height, width) or (features,).
        parameters: weights and biases.
        multiply_adds: one multiplication and one addition each; biases and comparisons are not counted.
        field: side of the square of input pixels that one output can depend on.
    """

    layer: Layer
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    field: int

    @property
    def values(self) -> int:
        """How many numbers the layer puts out."""
        total = 1
        for size in self.shape:
            total *= size
        return total


# The article's network; training/network/convnet.py builds it, and a test holds the two together.
CONVNET: Final = (
    Layer("conv1", "convolution", 10, 5),
    Layer("pool1", "max-pooling", 10, 2),
    Layer("conv2", "convolution", 20, 5),
    Layer("pool2", "max-pooling", 20, 2),
    Layer("fc1", "affine", 50),
    Layer("fc2", "affine", 10),
)


def output_size(size: int, window: int, stride: int = 1, padding: int = 0) -> int:
    """Count the places of a window on one axis: floor((size + 2 padding - window) / stride) + 1.

    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), relationship 6.

    Raises:
        TrainingError: the window is larger than the padded input.
    """
    room = size + 2 * padding - window
    if room < 0:
        raise WindowError(
            f"a window of {window} does not fit into {size} + 2 x {padding}; use a smaller window or more padding"
        )
    return room // stride + 1


def costs(layers: Sequence[Layer] = CONVNET, side: int = 28) -> list[Cost]:
    """Work out each layer in turn, from one image of side x side pixels and one channel."""
    found = []
    channels, height, field, step = 1, side, 1, 1  # step: input pixels between two neighbouring outputs
    for layer in layers:
        inputs = channels * height * height
        if layer.kind == "affine":
            field = side
            weights, shape = inputs * layer.channels, (layer.channels,)
            found.append(Cost(layer, shape, weights + layer.channels, weights, field))
            channels, height = layer.channels, 1
            continue
        field += (layer.size - 1) * step
        if layer.kind == "convolution":
            height = output_size(height, layer.size)
            weights = layer.channels * channels * layer.size**2
            parameters, work = weights + layer.channels, weights * height**2
        else:
            height = output_size(height, layer.size, stride=layer.size)
            step *= layer.size
            parameters = work = 0
        channels = layer.channels
        found.append(Cost(layer, (channels, height, height), parameters, work, field))
    return found


def sides_that_fit(features: int, layers: Sequence[Layer] = CONVNET, largest: int = 64) -> list[int]:
    """List the image sides, up to `largest`, at which the layers before the first affine one give that many numbers."""
    before = [layer for layer in layers if layer.kind != "affine"]
    fitting = []
    for side in range(1, largest + 1):
        try:
            values = costs(before, side)[-1].values
        except WindowError:
            continue
        if values == features:
            fitting.append(side)
    return fitting
