"""The network as the article's formulas: NumPy only, float64, written to be read beside them and not to be fast.

Images and feature maps are `[N, C, H, W]`, kernels `[O, C, kh, kw]`; row index first, as in the formulas' (x, y).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cross_correlate(images: Array, kernels: Array, bias: Array) -> Array:
    """Slide each kernel over the images without flipping it: what deep learning calls a convolution.

    With the kernel flipped both ways it is what mathematics calls one.

    out[n, o, y, x] = bias[o] + sum over c, i, j of images[n, c, y + i, x + j] * kernels[o, c, i, j].
    """
    height = images.shape[2] - kernels.shape[2] + 1
    width = images.shape[3] - kernels.shape[3] + 1
    out = np.zeros((images.shape[0], kernels.shape[0], height, width)) + bias[:, None, None]
    for i in range(kernels.shape[2]):
        for j in range(kernels.shape[3]):
            window = images[:, :, i : i + height, j : j + width]
            out += np.tensordot(window, kernels[:, :, i, j], axes=([1], [1])).transpose(0, 3, 1, 2)
    return out


def relu(values: Array) -> Array:
    """max(0, x)."""
    clipped: Array = np.maximum(values, 0.0)
    return clipped


def sigmoid(values: Array) -> Array:
    """1 / (1 + exp(-x)), by way of tanh because that never overflows."""
    return 0.5 * (1.0 + tanh(0.5 * values))


def tanh(values: Array) -> Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    curve: Array = np.tanh(values)
    return curve


def max_pool(images: Array, size: int) -> Array:
    """Take the largest value of each size x size block; rows and columns that fill no block are left out."""
    largest: Array = _blocks(images, size).max(axis=(3, 5))
    return largest


def average_pool(images: Array, size: int) -> Array:
    """Take the mean of each size x size block; rows and columns that fill no block are left out."""
    means: Array = _blocks(images, size).mean(axis=(3, 5))
    return means


def affine(features: Array, weight: Array, bias: Array) -> Array:
    """Map `[N, in]` to `[N, out]` with weight `[out, in]`: y = x W^T + b."""
    return features @ weight.T + bias


def softmax(logits: Array) -> Array:
    """exp(x) / sum(exp(x)) along the last axis, shifted by the largest so that nothing overflows."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def classify(weights: Mapping[str, Array], images_u8: NDArray[np.uint8], temperature: float) -> tuple[Array, Array]:
    """Run the whole served graph: uint8 images `[N, 28, 28]` to (logits / temperature, probabilities), both `[N, 10]`.

    `weights` holds float64 arrays under PyTorch's names (`conv1.weight`, `conv1.bias`, ... `fc2.bias`).
    """
    pixels = images_u8[:, None].astype(np.float64) / 255.0
    hidden = (pixels - 0.5) / 0.5  # Normalize(mean=0.5, std=0.5)
    for layer in ("conv1", "conv2"):
        hidden = max_pool(relu(cross_correlate(hidden, weights[f"{layer}.weight"], weights[f"{layer}.bias"])), 2)
    features = hidden.reshape(len(hidden), -1)
    features = relu(affine(features, weights["fc1.weight"], weights["fc1.bias"]))
    logits = affine(features, weights["fc2.weight"], weights["fc2.bias"]) / temperature
    return logits, softmax(logits)


def _blocks(images: Array, size: int) -> Array:
    """View `[N, C, H, W]` as `[N, C, H // size, size, W // size, size]`."""
    count, channels, height, width = images.shape
    rows, columns = height // size, width // size
    cut = images[:, :, : rows * size, : columns * size]
    return cut.reshape(count, channels, rows, size, columns, size)
