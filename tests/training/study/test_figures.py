"""docs/convolution.md says nothing that the code does not work out."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import convolve2d
from torch.nn import functional

from service.model.artifact import Artifact, load_artifact
from training.network import reference
from training.network.convnet import ConvNet
from training.study import figures
from training.study.arithmetic import CONVNET, Cost, WindowError, costs, output_size, sides_that_fit
from training.study.diagrams import correlate

REMEDY = "run `python -m training.study.figures`"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped model."""
    return load_artifact(figures.ROOT / "models" / "digits")


@pytest.fixture(scope="module")
def text() -> str:
    """The document as it is committed."""
    return figures.DOCUMENT.read_text(encoding="utf-8")


def flowing(text: str) -> str:
    """Undo the line breaks, so that a phrase is found wherever it is wrapped."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("fact", figures.facts())
def test_the_text_holds_each_phrase_with_a_number(text: str, fact: str) -> None:
    """Each phrase that states a number stands in the text word for word."""
    assert fact in flowing(text), f"the text does not say {fact!r}"


def test_the_text_states_no_number_that_the_code_does_not(text: str) -> None:
    """Without tables, formulas, code, links and the known phrases, only names and given sizes are left as figures."""
    prose = re.sub(r"<!-- table.*?<!-- end -->|```math.*?```|\$.*?\$|`.*?`|\]\(.*?\)", " ", text, flags=re.DOTALL)
    prose = flowing(prose)
    for fact in figures.facts():
        prose = prose.replace(flowing(re.sub(r"`.*?`", " ", fact)), " ")
    given = [
        r"28 × 28",
        r"2 × 2",
        r"The 320 of|the 320 of|its 320 numbers",
        r"\(0, 0\)",
        r"from 0 ",
        r"to 255 ",
        r"0 \(background",
    ]
    given += [r"255 \(ink\)", r"−1 and full ink is 1\b", r"\b\d\. ", r"a 3 that"]
    for allowed in given:
        prose = re.sub(allowed, " ", prose)
    assert re.findall(r".{0,30}\d.{0,20}", prose) == []


def test_the_tables_are_the_codes(text: str, artifact: Artifact) -> None:
    """Filling the tables anew changes nothing."""
    assert figures.fill(text, figures.blocks(artifact)) == text, REMEDY


def test_the_figures_are_the_codes(artifact: Artifact) -> None:
    """Each committed SVG is what the code draws, byte for byte; the PNG shows the shipped model."""
    drawn = figures.images(artifact)
    assert {path.name for path in figures.IMAGES.iterdir()} >= set(drawn)
    for name, content in drawn.items():
        committed = (figures.IMAGES / name).read_bytes()
        if name.endswith(".svg"):
            assert committed == content, f"{name}: {REMEDY}"
            ET.fromstring(content)  # noqa: S314 - our own file; it must be well-formed
            continue
        with Image.open(io.BytesIO(committed)) as old, Image.open(io.BytesIO(content)) as new:
            assert old.info["Model"] == artifact.manifest.sha256, f"{name} shows another model: {REMEDY}"
            difference = np.asarray(old.convert("RGB"), int) - np.asarray(new.convert("RGB"), int)
        assert np.abs(difference).mean() < 1, f"{name}: {REMEDY}"


def test_every_figure_is_shown_in_the_text(text: str, artifact: Artifact) -> None:
    """No figure is made in vain, and no image link is dead."""
    linked = set(re.findall(r"\]\(images/([^)]+)\)", text))
    assert linked == set(figures.images(artifact))


def test_the_worked_example_agrees_with_pytorch() -> None:
    """The article's example: [[12, 16], [24, 28]], 28 and 20, not what it prints."""
    output = correlate(figures.IMAGE, figures.ONES)
    np.testing.assert_array_equal(output, [[12, 16], [24, 28]])
    image, kernel = (torch.from_numpy(values)[None, None] for values in (figures.IMAGE, figures.ONES))
    # Not to the bit: a convolution by transforms, as some processors' kernels do it, rounds whole numbers too.
    np.testing.assert_allclose(functional.conv2d(image, kernel)[0, 0].numpy(), output, rtol=1e-6)
    batch = output[None, None]
    assert reference.max_pool(batch, 2).tolist() == [[[[28]]]]
    assert reference.average_pool(batch, 2).tolist() == [[[[20]]]]
    assert (output != figures.PRINTED).sum() == 3


def test_flipping_the_kernel_makes_the_one_the_other() -> None:
    """SciPy's convolution is cross-correlation with the flipped kernel, as the figure shows."""
    convolved = convolve2d(figures.IMAGE, figures.SLANT, mode="valid")
    np.testing.assert_array_equal(convolved, correlate(figures.IMAGE, figures.SLANT[::-1, ::-1]))
    np.testing.assert_array_equal(convolved, np.full((2, 2), 4))


def test_the_cost_table_is_the_networks() -> None:
    """Parameters and shapes of the table are those of the PyTorch network, layer by layer."""
    net = ConvNet()
    table = {cost.layer.name: cost for cost in costs()}
    for name, module in net.named_children():
        assert sum(parameter.numel() for parameter in module.parameters()) == table[name].parameters
    hidden = torch.zeros(1, 1, 28, 28)
    for name in ("conv1", "pool1", "conv2", "pool2"):
        module = getattr(net, name, None)
        hidden = module(hidden) if module else functional.max_pool2d(hidden, 2)
        assert tuple(hidden.shape[1:]) == table[name].shape
    assert table["fc2"].shape == (10,)
    assert [layer.name for layer in CONVNET] == list(table)


def test_the_work_is_counted_right() -> None:
    """Multiply-adds of conv1 are those of its matrix product: windows x numbers in a window x kernels."""
    windows = functional.unfold(torch.zeros(1, 1, 28, 28), 5)
    assert windows.shape == (1, 25, 576)
    assert costs()[0].multiply_adds == 576 * 25 * 10


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding"), [(28, 5, 1, 0), (28, 3, 2, 1), (7, 3, 3, 0), (5, 5, 4, 2)]
)
def test_output_sizes_agree_with_pytorch(size: int, window: int, stride: int, padding: int) -> None:
    """The size formula is PyTorch's."""
    output = functional.conv1d(torch.zeros(1, 1, size), torch.zeros(1, 1, window), stride=stride, padding=padding)
    assert output_size(size, window, stride, padding) == output.shape[2]


def test_a_window_that_does_not_fit_is_an_error() -> None:
    """Larger than the padded input: no place at all."""
    with pytest.raises(WindowError, match="window of 5 does not fit into 4"):
        output_size(4, 5)


@pytest.mark.parametrize("side", [27, 28, 31, 32])
def test_fc1_fits_just_the_listed_sides(side: int) -> None:
    """PyTorch takes a picture of that side exactly if the text lists it."""
    net = ConvNet()
    if side in sides_that_fit(320):
        assert net(torch.zeros(1, 1, side, side)).shape == (1, 10)
    else:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            net(torch.zeros(1, 1, side, side))


@pytest.mark.parametrize("cost", costs()[:4], ids=lambda cost: cost.layer.name)
def test_one_output_sees_as_much_as_the_table_says(cost: Cost) -> None:
    """The gradient of one middle output reaches a square of just that side."""
    image = torch.zeros(1, 1, 28, 28, dtype=torch.float64, requires_grad=True)
    hidden = image
    for layer in CONVNET[: [each.layer for each in costs()].index(cost.layer) + 1]:
        if layer.kind == "convolution":
            hidden = functional.conv2d(hidden, torch.ones(1, 1, layer.size, layer.size, dtype=torch.float64))
        else:
            hidden = functional.avg_pool2d(hidden, layer.size)  # a mean sees what a maximum may
    hidden[0, 0, 1, 1].backward()
    assert image.grad is not None
    rows = torch.nonzero(image.grad[0, 0].any(dim=1)).flatten()
    assert int(rows.max() - rows.min()) + 1 == cost.field


def test_maps_move_with_the_picture_and_do_not_turn_with_it() -> None:
    """Shifting by two shifts conv1 by two and pool1 by one; the maps of a turned picture are not the turned maps."""
    generator = np.random.default_rng(0)
    picture = np.zeros((1, 1, 28, 28))
    picture[0, 0, 9:19, 9:19] = generator.random((10, 10))
    kernels, bias = generator.normal(size=(3, 1, 5, 5)), np.zeros(3)
    maps = reference.cross_correlate(picture, kernels, bias)
    shifted = reference.cross_correlate(np.roll(picture, 2, axis=3), kernels, bias)
    np.testing.assert_allclose(shifted, np.roll(maps, 2, axis=3), atol=1e-12)
    np.testing.assert_allclose(
        reference.max_pool(shifted, 2), np.roll(reference.max_pool(maps, 2), 1, axis=3), atol=1e-12
    )
    turned = reference.cross_correlate(np.rot90(picture, axes=(2, 3)).copy(), kernels, bias)
    assert not np.allclose(turned, np.rot90(maps, axes=(2, 3)), atol=0.1)


def test_the_slopes_are_the_derivatives() -> None:
    """The slopes in the table are PyTorch's gradients, ReLU's zero at zero included."""
    rows = [line.strip("|").split("|") for line in figures.activations().splitlines()[2:]]
    for row in rows:
        x, *cells = (float(cell.replace("−", "-")) for cell in row)
        for function, value, slope in zip(
            (torch.relu, torch.sigmoid, torch.tanh), cells[::2], cells[1::2], strict=True
        ):
            at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
            result = function(at)
            result.backward()
            assert at.grad is not None
            assert value == pytest.approx(result.item(), abs=5e-5)
            assert slope == pytest.approx(at.grad.item(), abs=5e-5)


def test_the_shipped_model_reads_the_drawn_three(artifact: Artifact) -> None:
    """The answer that the text shows is a 3."""
    assert figures.explain_three(artifact).probabilities.argmax() == 3
