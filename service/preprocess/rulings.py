"""Printed lines: rulings, grids and the borders of boxes, which run on to the edge of the picture."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import label
from service.preprocess.ink import above, median

Mask = NDArray[np.bool_]
CROP: Final = 100  # pixels; in a smaller drawing a line that crosses the middle is a stroke
DARKER: Final = 1.3  # times as strong as a line is what crosses it


def without_rulings(
    mask: Mask, contrast: NDArray[np.uint8], *, clean: bool, tight: bool = False, crop: bool = False
) -> tuple[Mask, Mask]:
    """Take straight thin lines along the picture's sides out of an ink mask and leave the strokes that cross them.

    Args:
        mask: bool [height, width], true on ink.
        contrast: uint8 [height, width], the same ink's strength.
        clean: whether this is a drawing rather than a photo; then only lines along a side or across everything go.
        tight: whether it is cut out along the digit, whose own bars and stems then end on a side.
        crop: whether it was sent with fewer than `CROP` pixels.

    Returns:
        The ink without the lines, and the lines that went, both bool [height, width], together `mask`.
    """
    lines = _both_ways(mask, clean=clean, ends=2 if tight else 1, crop=crop)
    if lines is None:
        return mask, np.zeros_like(mask)
    rest = mask & ~lines[0] & ~lines[1]
    cut = clean and (tight or _reaches_edge(rest))  # may be a digit that is cut off
    if cut and not tight:
        lines = _both_ways(mask, clean=clean, ends=2, crop=crop)
        if lines is None:
            return mask, np.zeros_like(mask)
        rest = mask & ~lines[0] & ~lines[1]
        cut = _reaches_edge(rest)
    if cut and sum(len(label(line)[1]) for line in lines) == 1:
        return mask, np.zeros_like(mask)  # or run across all of it
    kept = rest
    for line, axis in zip(lines, (0, 1), strict=True):
        if cv2.hasNonZero(np.ascontiguousarray(line).view(np.uint8)):
            size = 2 * _thickness(line, axis) + 1
            kernel = np.ones((size, 1) if axis == 0 else (1, size), np.uint8)
            kept = kept | (line & cv2.dilate(rest.view(np.uint8), kernel).view(np.bool_))
            # What is written over a line is darker than the line alone, whose own outline is lighter than its middle.
            middle = (contrast * line.view(np.uint8)).max(axis)
            kept |= line & above(contrast, DARKER * median(middle[middle > 0]) + 8)
    return kept, mask & ~kept


def _both_ways(mask: Mask, *, clean: bool, ends: int, crop: bool) -> tuple[Mask, Mask] | None:
    """Find lines along the rows, and along the columns; None if there are none."""
    rows = _lines(mask, clean=clean, least_ends=ends, crop=crop)
    columns = _lines(cv2.transpose(mask.view(np.uint8)).view(np.bool_), clean=clean, least_ends=ends, crop=crop)
    if rows is None and columns is None:
        return None
    none = np.zeros_like(mask)
    return none if rows is None else rows, none if columns is None else columns.T


def _reaches_edge(rest: Mask) -> bool:
    """Tell whether the largest piece of what is left lies on the picture's edge, or nothing is left."""
    _, stats = label(rest)
    if not len(stats):
        return True
    left, top, width, height, _ = (int(value) for value in stats[stats[:, 4].argmax()])
    return min(left, top, rest.shape[1] - left - width, rest.shape[0] - top - height) == 0


def _lines(mask: Mask, *, clean: bool, least_ends: int, crop: bool) -> Mask | None:
    """Find lines along the rows, which end on `least_ends` or more of the picture's two sides."""
    height, width = mask.shape
    slack = max(2, int(0.02 * width))
    ink = mask.view(np.uint8)
    if clean and not cv2.hasNonZero(ink[:, : slack + 2]) and not cv2.hasNonZero(ink[:, -slack - 2 :]):
        return None  # nothing ends on a side
    length = max(8, int(0.3 * width)) | 1
    gap = max(3, width // 60) | 1
    outside = {"borderType": cv2.BORDER_CONSTANT, "borderValue": (0.0,)}
    padded = cv2.copyMakeBorder(ink, 0, 0, gap, gap, cv2.BORDER_CONSTANT, value=(0.0,))
    bridged = cv2.dilate(padded, np.ones((3, gap), np.uint8))  # a tilted line climbs a row now and then
    bridged = cv2.erode(bridged, np.ones((1, gap), np.uint8))[:, gap:-gap]
    full = np.flatnonzero(cv2.reduce(bridged, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S) >= length)
    if not len(full):
        return None  # no row has as much ink as a line needs
    rows = slice(int(full[0]), int(full[-1]) + 1)
    window = np.ones((1, length), np.uint8)
    opened = cv2.erode(bridged[rows], window, **outside)
    if not cv2.hasNonZero(opened):
        return None
    labels, stats = label(cv2.dilate(opened, window).view(np.bool_))
    stats[:, 1] += rows.start
    left, top, wide, high, area = (stats[:, column] for column in range(5))
    thickness = area / wide - 2
    ends = (left <= slack).astype(int) + (left + wide >= width - slack)
    outer = np.minimum(top, height - top - high) < 0.12 * height
    # Within the picture a straight stroke is as long as a line that ends there, but not as thin.
    middle = np.where(ends == 2, max(2.5, 0.035 * height), max(2.5, 0.015 * height))
    thin = (thickness <= np.where(outer & clean, max(5.5, 0.1 * height), middle)) & (
        high <= thickness + 4 + 0.12 * wide
    )
    if clean:
        across = (ends == 2) & (wide >= 0.9 * width) & (outer | (not crop))
        line = across | (outer & crop & (ends >= least_ends))
    else:
        line = (ends > 0) | (wide >= 0.6 * width)
    if not (thin & line).any():
        return None
    found = np.zeros_like(mask)
    np.logical_and(np.append(False, thin & line)[labels], mask[rows], out=found[rows])
    return found


def _thickness(line: Mask, axis: int) -> int:
    _, stats = label(line)
    return max(1, round(median(stats[:, 4] / stats[:, 2 if axis == 0 else 3])))
