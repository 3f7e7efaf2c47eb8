"""The image operations that the preprocessing is built of, against the plainest code that does the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.preprocess.components import find_components
from service.preprocess.ink import split_levels
from service.preprocess.normalise import normalise, stroke_width
from service.preprocess.rulings import without_rulings
from service.preprocess.thinning import thin
from service.preprocess.window import close_holes, highest, lowest


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


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.45, 0.7, 1.0])
def test_components_are_what_flooding_finds(share: float) -> None:
    """Labels, areas and boxes agree with a walk over the pixels, at every density."""
    for seed in range(5):
        mask = random_mask(seed, share)
        found = find_components(mask)
        expected = flooded(mask)
        assert len(found) == len(expected)
        for piece in expected:
            rows, columns = zip(*piece, strict=True)
            label = found.labels[rows[0], columns[0]]
            assert {(int(row), int(column)) for row, column in np.argwhere(found.labels == label)} == piece
            box = found.top[label], found.bottom[label], found.left[label], found.right[label]
            assert box == (min(rows), max(rows), min(columns), max(columns))
            assert found.area[label] == len(piece)


def test_a_spiral_is_one_component() -> None:
    """A piece that joins itself only at its far end is not split."""
    spiral = np.ones((40, 40), bool)
    for ring in range(1, 20, 2):
        spiral[ring, ring : 40 - ring] = spiral[39 - ring, ring : 40 - ring] = False
        spiral[ring : 40 - ring, ring] = spiral[ring : 40 - ring, 39 - ring] = False
        spiral[ring, 39 - ring // 2 - 1] = True
    assert len(find_components(spiral)) == len(flooded(spiral))


@pytest.mark.parametrize("size", [1, 2, 3, 8, 15])
@pytest.mark.parametrize("axis", [0, 1])
def test_sliding_windows_are_what_a_loop_gives(size: int, axis: int) -> None:
    """Doubling the window gives the extremes that looking at every neighbour gives, the edge repeated."""
    image = np.random.default_rng(size).integers(0, 256, (17, 12), np.uint8)
    before = (size - 1) // 2
    along = np.moveaxis(image, axis, 0)
    places = np.arange(len(along))[:, None] + np.arange(-before, size - before)
    windows = along[np.clip(places, 0, len(along) - 1)]
    assert np.array_equal(highest(image, size, axis), np.moveaxis(windows.max(1), 0, axis))
    assert np.array_equal(lowest(image, size, axis), np.moveaxis(windows.min(1), 0, axis))


def test_closing_fills_what_is_narrow_and_keeps_what_is_wide() -> None:
    """A thin dark line goes; a dark half of the picture and a dark margin stay."""
    image = np.full((60, 60), 200, np.uint8)
    image[:, 40:] = 80
    image[:4] = 60
    expected = image.copy()
    image[20:23] = 10
    assert np.array_equal(close_holes(image, 9), expected)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_thinning_keeps_the_pieces_apart_and_together(share: float) -> None:
    """As many pieces after it as before, all of them subsets, and no block of three by three left."""
    mask = np.kron(random_mask(3, share, (9, 12)), np.ones((5, 5))).astype(bool)
    line = thin(mask)
    assert not (line & ~mask).any()
    assert len(find_components(line)) == len(find_components(mask))
    blocks = np.lib.stride_tricks.sliding_window_view(line, (3, 3)).all((2, 3))
    assert not blocks.any()


@pytest.mark.parametrize("width", [4, 8, 14, 20])
def test_the_stroke_width_is_measured(width: int) -> None:
    """The estimate for a bar is right within a fifth and two pixels (its ends have no centre line)."""
    bar = np.zeros((140, 60), bool)
    bar[10:130, 20 : 20 + width] = True
    assert stroke_width(bar) == pytest.approx(width, rel=0.2, abs=2)


@pytest.mark.parametrize("width", [2, 10, 30, 60])
def test_strokes_come_out_as_wide_as_mnist_s(width: int) -> None:
    """A ring drawn with a hair or with a thumb has strokes of 1.5 to 7 pixels afterwards, and still its hole."""
    x, y = np.meshgrid(np.arange(240) - 120, np.arange(240) - 120)
    ring = np.abs(np.hypot(x, y) - (118 - width / 2)) < width / 2
    image = normalise(ring.astype(np.uint8) * 255)
    assert image[14, 14] < 64
    assert 1.5 <= image[14].sum() / 255 / 2 <= 7


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


def test_two_levels_are_told_from_a_slope() -> None:
    """Otsu's split explains all of a two-tone picture and three quarters of an even slope."""
    two = np.repeat(np.array([40, 200], np.uint8), 500)
    threshold, share = split_levels(two)
    assert 40 <= threshold < 200
    assert share == pytest.approx(1)
    assert split_levels(np.arange(256, dtype=np.uint8))[1] == pytest.approx(0.75, abs=0.01)
