"""Variants are what they say, and the verdict follows from figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import stripes, untrained_net
from torch.nn import functional

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.settings import SHIPPED_MODEL
from training.judge.gate import Comparison
from training.judge.measure import logits_of
from training.learn.augment import Augmentation
from training.network.convnet import ConvNet, count_parameters
from training.study.cells import CELLS, DynamicNet
from training.study.compress import NO_PICTURE, Measured, verdict, with_model
from training.study.cost import Cost, as_artifact, cost_of
from training.study.distil import NARROW, Distillation, imitate, narrow, prune, zeros
from training.study.experiments import multiplications
from training.study.quantise import quantise

STILL = Augmentation(rotate_degrees=0, scale=0, shear=0, shift_pixels=0, elastic_pixels=0)
QUICK = Distillation(epochs=2, batch_size=40, augmentation=STILL, average_decay=0.5)
SHIPPED = Cost(size=89_000, single_us=30, batch_us=20, cpu_s=20)


def measured(points: float, cpu_s: float) -> Measured:
    """Make a variant that lost so many points of 10,000 pictures and takes so much CPU time."""
    right = 9900 + round(100 * points)
    found = Comparison(10_000, 9900, right, 0, 9900 - right, 0.1, 0.1)
    return Measured("x", Cost(1, 1, 1, cpu_s), 1, {"MNIST test": found})


@pytest.mark.parametrize(
    ("points", "cpu_s", "words"),
    [
        (-0.1, 10, "pays: 0.50× the CPU time"),
        (-0.1, 19, "does not pay: 0.95× the CPU time"),
        (-0.11, 10, "fails the gate; 0.50× the CPU time"),
    ],
)
def test_the_verdict_needs_both_the_gate_and_a_gain(points: float, cpu_s: float, words: str) -> None:
    """Faster and worse does not pass; as good and as slow does not pay."""
    assert verdict(measured(points, cpu_s), SHIPPED) == words


@pytest.mark.parametrize(("name", "points", "passes"), [("drawn", -0.2, False), (NO_PICTURE, -0.2, True)])
def test_every_kind_of_picture_has_a_bound_of_its_own(name: str, points: float, *, passes: bool) -> None:
    """What is measured on few pictures may lose a little more."""
    one = measured(points, 10)
    assert replace(one, found={name: one.found["MNIST test"]}).passes == passes


def test_a_pruned_network_keeps_its_zeros_through_training() -> None:
    """Of each layer's weights the smallest are zero and stay so; biases are left alone."""
    pruned = prune(untrained_net(), stripes(120), QUICK, 0.8)
    for name, weight in pruned.named_parameters():
        share = float((weight == 0).float().mean())
        assert share == pytest.approx(0.8 if weight.ndim > 1 else 0.0, abs=0.01), name
    assert zeros(pruned) == pytest.approx(0.8, abs=0.02)


def test_a_student_comes_to_answer_as_its_teacher() -> None:
    """Its logits come nearer to the teacher's, though it is narrower and began elsewhere."""
    digits, teacher = stripes(200), untrained_net()
    student = narrow(teacher, digits, QUICK)
    torch.manual_seed(0)
    before = ConvNet(NARROW)
    assert count_parameters(student) == count_parameters(before) < 0.5 * count_parameters(teacher)
    wanted = logits_of(teacher, digits).softmax(1)
    distances = [functional.l1_loss(logits_of(net, digits).softmax(1), wanted) for net in (student, before)]
    assert torch.isfinite(distances[0])
    labels = [float((logits_of(net, digits).argmax(1) == digits.labels).float().mean()) for net in (student, before)]
    assert labels[0] > labels[1]


def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it() -> None:
    """With the labels' half out of the way the loss of imitation is zero, so the teacher's own copy stays put."""
    digits, teacher = stripes(40), untrained_net()
    labels = logits_of(teacher, digits).argmax(1)
    same = imitate(untrained_net(), teacher, type(digits)(digits.images, labels), QUICK)
    assert (logits_of(same, digits).argmax(1) == labels).float().mean() >= 0.9


def test_an_int8_model_has_the_signature_and_nearly_the_answers_of_the_float_one() -> None:
    """It opens in the very session that serves, which checks names, types and shapes."""
    shipped = load_artifact(SHIPPED_MODEL)
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    images[:, :, :8] = 0
    small = with_model(shipped, quantise(shipped.model_bytes, images))
    assert len(small.model_bytes) < 0.5 * len(shipped.model_bytes)
    before, after = (DigitSession(each, "cpu").run(images).probabilities for each in (shipped, small))
    assert np.abs(before - after).mean() < 0.05


@pytest.mark.parametrize("name", CELLS)
def test_every_network_of_the_experiment_has_the_articles_size(name: str) -> None:
    """Within one in a hundred of 21,840 weights; and its answers have ten numbers."""
    net = CELLS[name]().eval()
    assert count_parameters(net) == pytest.approx(21_840, rel=0.01)
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_articles_network_multiplies_as_often_as_the_arithmetic_says() -> None:
    """24 x 24 x 10 x 25 + 8 x 8 x 20 x 250 + 320 x 50 + 50 x 10."""
    assert multiplications(untrained_net()) == 144_000 + 320_000 + 16_000 + 500


def test_mixing_outputs_is_mixing_kernels() -> None:
    """The dynamic network's sum over maps equals one convolution with the mixed kernel, for each picture its own."""
    torch.manual_seed(0)
    net = DynamicNet().eval()
    maps = torch.rand(1, 10, 12, 12)
    attention = net.attend(functional.relu(net.squeeze(maps.mean(dim=(2, 3))))).softmax(dim=1)[0]
    kernels = net.conv2.weight.unflatten(0, (net.kernels, net.width))
    biases = net.conv2.bias.unflatten(0, (net.kernels, net.width))
    kernel, bias = torch.tensordot(attention, kernels, 1), attention @ biases
    parts = net.conv2(maps).unflatten(1, (net.kernels, net.width))
    torch.testing.assert_close(
        (parts * attention[None, :, None, None, None]).sum(1), functional.conv2d(maps, kernel, bias)
    )


@pytest.mark.filterwarnings("ignore")
def test_any_network_of_the_experiment_can_be_opened_and_its_cost_measured() -> None:
    """Exported for the serving session; the cost is that of its own graph."""
    artifact = as_artifact(CELLS["squeeze and excitation"](), load_artifact(SHIPPED_MODEL))
    cost = cost_of(artifact, images=64)
    assert cost.size == len(artifact.model_bytes) > 80_000
    assert min(cost.single_us, cost.batch_us) > 0
