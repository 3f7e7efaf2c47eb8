"""A digit's ink to MNIST's picture of it: even ink, stroke width, 20 x 20 box, centre of mass."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.contract import BOX, CENTRE, SIDE
from service.preprocess.layout import HALF

Grey = NDArray[np.uint8]
FINE: Final = 4  # the work is done on a grid this much finer, so that a pixel of it is a quarter of the result's
# Stroke widths on the fine grid, by `stroke_width`: MNIST has its 1, 5, 25, 50, 75, 95 and 99 % at 6.3, 7.1, 8.8, 10.1,
# 11.9, 15.4 and 18.7.
# What lies between is left alone: thinning costs loops, thickening costs gaps.
THINNEST: Final = 8.0
THICKEST: Final = 20.0
PRESSURE: Final = 0.3  # share of the strongest ink, below which weak ink is not made full


def normalise(strength: Grey) -> Grey:
    """Bring the ink of one digit to MNIST's convention.

    Args:
        strength: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, no other ink in it; any size,
            also without any ink.

    Returns:
        uint8 [28, 28], 0 background, 255 ink; the digit's longer side 20, its centre of mass on (14, 14).
    """
    size = FINE * BOX
    ink = _even(_fit(strength, size))
    width = stroke_width(ink)
    wanted = min(max(width, THINNEST), THICKEST)
    # The centre line must end up as long as leaves room for half the wanted pen at both ends.
    if width > 0 and abs(wanted - width) > 1:
        scale = min(max((size - wanted) / max(1.0, size - width), 0.8), 1.5)
        other = _with_width(_even(_fit(strength, round(size * scale))), wanted)
        left, top, wide, high = cv2.boundingRect((other > HALF).view(np.uint8))
        if wide:
            ink = other[top : top + high, left : left + wide]
            ink = ink if max(ink.shape) == size else _fit(ink, size)
    return _centred(ink)


def stroke_width(ink: Grey) -> float:
    """Estimate the mean width of strokes, in pixels: four times their pixels' mean distance from the paper."""
    strokes = cv2.copyMakeBorder((ink > HALF).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0.0,))
    inside = cv2.countNonZero(strokes)
    if not inside:
        return 0.0
    distance = cv2.distanceTransform(strokes, cv2.DIST_L2, 3)
    return 4 * float(cv2.sumElems(distance)[0]) / inside - 2 + 1


def _fit(ink: Grey, size: int) -> Grey:
    """Scale ink until its longer side is `size`."""
    height, width = ink.shape
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(ink, shape, interpolation=method).astype(np.uint8, copy=False)


def _even(ink: Grey) -> Grey:
    """Bring light and heavy pressure to one strength, each pixel against the best of its neighbourhood."""
    reach = max(3, max(ink.shape) // 8 | 1)
    peak = float(ink.max())
    best = cv2.max(cv2.dilate(ink, np.ones((reach, reach), np.uint8)), max(1.0, PRESSURE * peak))
    return cv2.divide(ink, best, scale=255).astype(np.uint8, copy=False)


def _with_width(ink: Grey, wanted: float) -> Grey:
    """Make all strokes thinner or thicker until their mean width is the wanted one."""
    ink = cv2.copyMakeBorder(ink, *[FINE * 3] * 4, cv2.BORDER_CONSTANT, value=(0.0,)).astype(np.uint8, copy=False)
    width = stroke_width(ink)
    by = round(abs(wanted - width) / 2)
    if by == 0:
        return ink
    if width < wanted:
        return cv2.dilate(ink, _disc(by)).astype(np.uint8, copy=False)
    # What must stay connected: the ridge of the distance from the paper.
    distance = cv2.distanceTransform((ink > HALF).view(np.uint8), cv2.DIST_L2, 5)
    ridge = (distance > 1) & (distance >= cv2.dilate(distance, _disc(1)) - 0.3)
    line = cv2.dilate(ridge.view(np.uint8) * np.uint8(255), _disc(FINE // 2))
    return cv2.max(cv2.erode(ink, _disc(by)), line).astype(np.uint8, copy=False)


@cache
def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _centred(ink: Grey) -> Grey:
    """Put the centre of mass on (14, 14) and average down to 28 x 28."""
    side = FINE * SIDE
    height, width = ink.shape
    moments = cv2.moments(ink)
    mass = max(1.0, moments["m00"])
    middle = FINE * (CENTRE + 0.5) - 0.5
    # By whole pixels of the result, as MNIST's makers moved theirs: no edge of the box is smeared over two.
    top = min(max(FINE * round((middle - moments["m01"] / mass) / FINE), 0), side - height)
    left = min(max(FINE * round((middle - moments["m10"] / mass) / FINE), 0), side - width)
    fine = np.zeros((side, side), np.uint8)
    fine[top : top + height, left : left + width] = ink
    return cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
