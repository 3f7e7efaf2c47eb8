"""The textbook network: against PyTorch's operators over random shapes, and against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.network import reference
from training.network.convnet import ConvNet, ServedNet

sizes = st.integers(1, 4)
seeds = st.integers(0, 2**31 - 1)
quickly = settings(max_examples=40, deadline=None, derandomize=True)


@quickly
@given(sizes, sizes, sizes, st.integers(1, 5), st.integers(1, 5), sizes, sizes, seeds)
def test_cross_correlation_is_pytorchs_conv2d(
    count: int, channels: int, out: int, kh: int, kw: int, extra_h: int, extra_w: int, seed: int
) -> None:
    """Any batch, channels, kernel and image size give what torch calls a convolution."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, channels, kh + extra_h - 1, kw + extra_w - 1))
    kernels, bias = rng.normal(size=(out, channels, kh, kw)), rng.normal(size=out)
    expected = functional.conv2d(*map(torch.from_numpy, (images, kernels, bias))).numpy()
    np.testing.assert_allclose(reference.cross_correlate(images, kernels, bias), expected, rtol=1e-10, atol=1e-10)


@quickly
@given(sizes, st.integers(1, 4), st.integers(1, 4), sizes, seeds)
def test_convolution_is_cross_correlation_with_a_flipped_kernel(
    channels: int, kh: int, kw: int, extra: int, seed: int
) -> None:
    """True convolution, written out as the double sum of the formula, needs the kernel flipped in both directions."""
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(1, channels, kh + extra - 1, kw + extra - 1))
    kernels = rng.normal(size=(1, channels, kh, kw))
    actual = reference.cross_correlate(images, kernels[:, :, ::-1, ::-1], np.zeros(1))[0, 0]
    for y in range(extra):
        for x in range(extra):
            total = sum(
                images[0, c, y + kh - 1 - i, x + kw - 1 - j] * kernels[0, c, i, j]
                for c in range(channels)
                for i in range(kh)
                for j in range(kw)
            )
            assert actual[y, x] == pytest.approx(total, abs=1e-10)


@quickly
@given(sizes, sizes, st.integers(1, 3), st.integers(0, 5), st.integers(0, 5), seeds)
def test_pooling_is_pytorchs_pooling(
    count: int, channels: int, size: int, extra_h: int, extra_w: int, seed: int
) -> None:
    """Max and mean over blocks agree with torch, also where the last rows and columns fill no block."""
    images = np.random.default_rng(seed).normal(size=(count, channels, size + extra_h, size + extra_w))
    tensor = torch.from_numpy(images)
    np.testing.assert_array_equal(reference.max_pool(images, size), functional.max_pool2d(tensor, size).numpy())
    np.testing.assert_allclose(
        reference.average_pool(images, size), functional.avg_pool2d(tensor, size).numpy(), rtol=1e-12, atol=1e-12
    )


@quickly
@given(sizes, st.integers(1, 20), st.integers(1, 20), seeds)
def test_affine_and_activations_are_pytorchs(count: int, inputs: int, outputs: int, seed: int) -> None:
    """Affine map, ReLU, sigmoid, tanh and softmax agree with torch, also far from zero."""
    rng = np.random.default_rng(seed)
    features, weight, bias = (
        rng.normal(size=(count, inputs)) * 50,
        rng.normal(size=(outputs, inputs)),
        rng.normal(size=outputs),
    )
    mapped = reference.affine(features, weight, bias)
    tensor = torch.from_numpy(mapped)
    expected = functional.linear(*map(torch.from_numpy, (features, weight, bias)))
    np.testing.assert_allclose(mapped, expected.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(reference.relu(mapped), torch.relu(tensor).numpy())
    np.testing.assert_allclose(reference.sigmoid(mapped), torch.sigmoid(tensor).numpy(), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(reference.tanh(mapped), torch.tanh(tensor).numpy(), rtol=1e-10)
    np.testing.assert_allclose(reference.softmax(mapped), tensor.softmax(dim=-1).numpy(), rtol=1e-9, atol=1e-15)


def test_the_articles_worked_example_has_these_numbers() -> None:
    """The 3x3 input 1..9 under a 2x2 kernel of ones: the article prints 12, 13, 20, 21 and is wrong."""
    image = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    convolved = reference.cross_correlate(image, np.ones((1, 1, 2, 2)), np.zeros(1))
    np.testing.assert_array_equal(convolved[0, 0], [[12, 16], [24, 28]])
    np.testing.assert_array_equal(reference.relu(convolved), convolved)
    assert reference.max_pool(convolved, 2).item() == 28
    assert reference.average_pool(convolved, 2).item() == 20


def test_the_whole_network_is_pytorchs() -> None:
    """Random weights, random pictures and a temperature give PyTorch's logits and probabilities."""
    torch.manual_seed(3)
    net = ConvNet().eval()
    images = np.random.default_rng(3).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    weights = {name: value.double().numpy() for name, value in net.state_dict().items()}
    logits, probabilities = reference.classify(weights, images, temperature=1.7)
    with torch.no_grad():
        expected_logits, expected_probabilities = ServedNet(net, 1.7)(torch.from_numpy(images))
    np.testing.assert_allclose(logits, expected_logits.numpy(), atol=1e-5)
    np.testing.assert_allclose(probabilities, expected_probabilities.numpy(), atol=1e-6)
