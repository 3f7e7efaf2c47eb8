"""The image operations that the preprocessing is built of, against the plainest code that does the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.preprocess.components import MOST, find_components
from service.preprocess.ink import split_levels
from service.preprocess.normalise import normalise, stroke_width
from service.preprocess.rulings import without_rulings


def random_mask(seed: int, share: float, shape: tuple[int, int] = (23, 31)) -> NDArray[np.bool_]:
    """Give a mask of which a share is ink."""
    return np.random.default_rng(seed).random(shape) < share


def flooded(mask: NDArray[np.bool_]) -> list[set[tuple[int, int]]]:
    """Find 8-connected pieces by walking from pixel to pixel."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    pieces = []
    while left:
        piece, front = set(), [left.pop()]
        while front:
            row, column = front.pop()
            piece.add((row, column))
            for near in {(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left:
                left.remove(near)
                front.append(near)
        pieces.append(piece)
    return pieces


def test_lines_go_and_what_crosses_them_stays() -> None:
    """Of a ruled page with a stroke across it the stroke is left, without a gap."""
    mask = np.zeros((120, 200), bool)
    mask[20::30] = mask[21::30] = True
    lines = mask.copy()
    mask[30:100, 90:96] = True
    kept, gone = without_rulings(mask, mask.astype(np.uint8) * 200, clean=False)
    assert np.array_equal(kept | gone, mask)
    assert kept[30:100, 90:96].all()
    assert not (kept & lines)[:, :80].any()


def test_a_tight_bar_is_no_line() -> None:
    """A 7 cut along its ink keeps the bar that runs from side to side."""
    seven = np.zeros((60, 40), bool)
    seven[:4] = True
    for row in range(60):
        seven[row, 34 - row // 3 : 39 - row // 3] = True
    kept, _ = without_rulings(seven, seven.astype(np.uint8) * 200, clean=True)
    assert np.array_equal(kept, seven)


def test_a_bar_just_inside_a_tight_crop_is_no_line() -> None:
    """A blurred 7 whose foot ends before the picture's edge does keeps its bar too, if it is read as tight."""
    seven = np.zeros((80, 70), bool)
    seven[2:9, 1:69] = True
    for row in range(9, 77):
        seven[row, 55 - row // 2 : 63 - row // 2] = True
    kept, _ = without_rulings(seven, seven.astype(np.uint8) * 200, clean=True, tight=True)
    assert np.array_equal(kept, seven)


def test_a_soft_line_goes_with_its_dark_middle() -> None:
    """A scanned line is strongest in its middle, which is no stroke across it; a darker stroke across it stays."""
    contrast = np.zeros((46, 60), np.uint8)
    for row, strength in zip(range(3, 8), (20, 60, 130, 60, 20), strict=True):
        contrast[row] = strength
    contrast[3:30, 28:33] = 220
    kept, gone = without_rulings(contrast > 16, contrast, clean=True)
    assert kept[3:30, 28:33].all()
    assert gone[3:8, :20].all()
    assert gone[3:8, 41:-1].all()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.45])
def test_components_are_what_flooding_finds(share: float) -> None:
    """Areas, boxes and numbers of the largest pieces agree with a walk over the pixels."""
    for seed in range(5):
        mask = random_mask(seed, share)
        found = find_components(mask, np.full(mask.shape, 200, np.uint8))
        expected = sorted(flooded(mask), key=len, reverse=True)[:MOST]
        if found is None:
            assert not expected
            continue
        assert [len(piece) for piece in expected][: len(found)] == found.area.astype(int).tolist()
        assert found.strength.tolist() == [200] * len(found)
        for place in range(len(found)):
            rows, columns = np.nonzero(found.labels == found.number[place])
            assert set(zip(rows.tolist(), columns.tolist(), strict=True)) in expected
            box = found.top[place], found.bottom[place], found.left[place], found.right[place]
            assert box == (rows.min(), rows.max(), columns.min(), columns.max())


@pytest.mark.parametrize("width", [4, 8, 14, 20])
def test_the_stroke_width_is_measured(width: int) -> None:
    """The estimate for a bar is right within a fifth."""
    bar = np.zeros((140, 60), np.uint8)
    bar[10:130, 20 : 20 + width] = 255
    assert stroke_width(bar) == pytest.approx(width, rel=0.2)


@pytest.mark.parametrize("width", [2, 10, 30, 60])
def test_strokes_come_out_as_wide_as_mnist_s(width: int) -> None:
    """A ring drawn with a hair or with a thumb has strokes of 1.5 to 7 pixels afterwards, and still its hole."""
    x, y = np.meshgrid(np.arange(240) - 120, np.arange(240) - 120)
    ring = np.abs(np.hypot(x, y) - (118 - width / 2)) < width / 2
    image = normalise(ring.astype(np.uint8) * 255)
    assert image[14, 14] < 64
    assert 1.5 <= image[14].sum() / 255 / 2 <= 7


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (40, 40)])
def test_any_ink_can_be_brought_to_size(shape: tuple[int, int]) -> None:
    """Full, faint and missing ink of any shape gives an image."""
    for level in (0, 1, 255):
        image = normalise(np.full(shape, level, np.uint8))
        assert image.shape == (28, 28)
        assert bool(image.any()) == (level > 0)


def test_two_levels_are_told_from_a_slope() -> None:
    """Otsu's split explains all of a two-tone picture and three quarters of an even slope."""
    two = np.zeros(256)
    two[[40, 200]] = 0.5
    threshold, share = split_levels(two)
    assert 40 <= threshold < 200
    assert share == pytest.approx(1)
    assert split_levels(np.full(256, 1 / 256))[1] == pytest.approx(0.75, abs=0.01)
