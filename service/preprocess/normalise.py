"""A digit's ink to MNIST's picture of it: stroke width, 20 x 20 box, centre of mass."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.contract import BOX, CENTRE, SIDE
from service.preprocess.thinning import thin
from service.preprocess.window import highest

FINE: Final = 4  # the work is done on a grid this much finer, so that a pixel of it is a quarter of the result's
# Stroke widths on the fine grid, as area over length of the centre line: MNIST's training set has its 5, 25, 50, 75 and
# 99 % at 6.8, 8.7, 10.3, 12.5 and 23.7. What lies between is left alone: thinning costs loops, thickening costs gaps.
THINNEST: Final = 8.0
THICKEST: Final = 22.0

HALF: Final = 127
_ONES: Final = np.ones(SIDE, np.float32)
_PLACES: Final = np.arange(SIDE, dtype=np.float32)

Mask = NDArray[np.bool_]


def is_mnist_style(grey: NDArray[np.uint8]) -> bool:
    """Tell whether a picture already is as MNIST has them: white on black, in a 20 x 20 box, centred by mass."""
    if grey.shape != (SIDE, SIDE) or 2 * np.count_nonzero(grey) > grey.size or int(grey.max()) < 250:
        return False
    weights = grey.astype(np.float32)  # sums as products with ones, exact up to 2**24: a third of the time of .sum()
    rows, columns = weights @ _ONES, _ONES @ weights
    extents = [int(inked[-1] - inked[0]) + 1 for inked in (np.flatnonzero(rows), np.flatnonzero(columns))]
    if max(extents) not in (BOX - 1, BOX):
        return False
    total = float(rows.sum())
    return all(abs(float(sums @ _PLACES) / total - CENTRE) < 0.65 for sums in (rows, columns))


def normalise(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring the ink of one digit to MNIST's convention.

    Args:
        alpha: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, no other ink in it.

    Returns:
        uint8 [28, 28], 0 background, 255 ink; the digit's longer side 20, its centre of mass on (14, 14).
    """
    size = FINE * BOX
    ink = _fit(alpha, size)
    width = stroke_width(ink > HALF)
    wanted = float(np.clip(width, THINNEST, THICKEST))
    # The centre line must end up as long as leaves room for half the wanted pen at both ends.
    if abs(wanted - width) > 1:
        scale = float(np.clip((size - wanted) / max(1.0, size - width), 0.8, 1.5))
        ink = _with_width(_fit(alpha, round(size * scale)), wanted)
        seen = ink > HALF
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ink = ink if max(ink.shape) == size else _fit(ink, size)
    return _centred(ink)


def stroke_width(strokes: Mask) -> float:
    """Estimate the mean width of strokes, in pixels: their area over the length of their centre line."""
    return float(strokes.sum()) / max(1, int(thin(strokes).sum()))


def _fit(alpha: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Scale ink until its longer side is `size`; strokes that would fall between the pixels are thickened before."""
    height, width = alpha.shape
    scale = size / max(height, width)
    if scale < 0.7:
        alpha = _thicken(alpha, round(0.8 / scale))
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    resample = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(alpha).resize(shape, resample))


def _thicken(alpha: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    return highest(highest(alpha, by + 1, 0), by + 1, 1)


def _with_width(ink: NDArray[np.uint8], wanted: float) -> NDArray[np.uint8]:
    """Make all strokes thinner or thicker until their mean width is the wanted one."""
    ink = np.pad(ink, FINE * 3)
    width = stroke_width(ink > HALF)
    by = round(abs(wanted - width) / 2)
    if width < wanted:
        return _disc(ink, by, np.maximum)
    line = _disc(thin(ink > HALF).astype(np.uint8) * 255, FINE // 2, np.maximum)  # what must stay connected
    return np.maximum(_disc(ink, by, np.minimum), line)


def _disc(ink: NDArray[np.uint8], radius: int, choose: np.ufunc) -> NDArray[np.uint8]:
    """Take the largest or smallest value within a disc, as nearly as alternating squares and crosses come to one."""
    for step in range(radius):
        tall = ink.copy()
        choose(tall[1:], ink[:-1], out=tall[1:])
        choose(tall[:-1], ink[1:], out=tall[:-1])
        source = tall.copy() if step % 2 else ink
        choose(tall[:, 1:], source[:, :-1], out=tall[:, 1:])
        choose(tall[:, :-1], source[:, 1:], out=tall[:, :-1])
        ink = tall
    return ink


def _centred(strokes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put the centre of mass on (14, 14) and average down to 28 x 28."""
    side = FINE * SIDE
    height, width = strokes.shape
    row, column = _centre(strokes)
    middle = FINE * (CENTRE + 0.5) - 0.5
    top = min(max(round(middle - row), 0), side - height)
    left = min(max(round(middle - column), 0), side - width)
    fine = np.zeros((side, side), np.float32)
    fine[top : top + height, left : left + width] = strokes
    image: NDArray[np.uint8] = np.round(fine.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3))).astype(np.uint8)
    return image


def _centre(weights: NDArray[np.uint8] | Mask) -> tuple[float, float]:
    """Centre of mass as (row, column)."""
    height, width = weights.shape
    rows, columns = weights.sum(1, dtype=np.float64), weights.sum(0, dtype=np.float64)
    total = rows.sum()
    return float(rows @ np.arange(height) / total), float(columns @ np.arange(width) / total)
