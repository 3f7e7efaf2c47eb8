"""Printed lines: rulings, grids and the borders of boxes, which run on to the edge of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import find_components
from service.preprocess.window import highest, lowest

Mask = NDArray[np.bool_]
CROP = 100  # pixels; in a smaller drawing a line that crosses the middle is a stroke
DARKER = 1.3  # times as strong as a line is what crosses it
SMALLEST = 24  # pixels; below, a stroke of the digit and a line cannot be told apart


def without_rulings(mask: Mask, contrast: NDArray[np.uint8], *, clean: bool, tight: bool = False) -> tuple[Mask, Mask]:
    """Take straight thin lines along the picture's sides out of an ink mask and leave the strokes that cross them.

    Args:
        mask: bool [height, width], true on ink.
        contrast: uint8 [height, width], the same ink's strength.
        clean: whether this is a drawing rather than a photo; then only lines along a side or across everything go.
        tight: whether it is cut out along the digit, whose own bars and stems then end on a side.

    Returns:
        The ink without the lines, and the lines that went, both bool [height, width], together `mask`.
    """
    if min(mask.shape) < SMALLEST:
        return mask, np.zeros_like(mask)
    lines = _both_ways(mask, clean=clean, ends=2 if tight else 1)
    rest = mask & ~lines[0] & ~lines[1]
    cut = clean and (tight or _reaches_edge(rest))  # may be a digit that is cut off
    if cut and not tight:
        lines = _both_ways(mask, clean=clean, ends=2)
        rest = mask & ~lines[0] & ~lines[1]
        cut = _reaches_edge(rest)
    if cut and sum(len(find_components(line)) for line in lines) == 1:
        return mask, np.zeros_like(mask)  # or run across all of it
    kept = rest
    for line, axis in zip(lines, (0, 1), strict=True):
        if line.any():
            thickness = _thickness(line, axis)
            kept = kept | (line & mask & _near(rest, 2 * thickness + 1, axis))
            # What is written over a line is darker than the line alone, whose own outline is lighter than its middle.
            middle = np.where(line, contrast, 0).max(axis)
            kept |= line & (contrast > DARKER * float(np.median(middle[middle > 0])) + 8)
    return kept, mask & ~kept


def _both_ways(mask: Mask, *, clean: bool, ends: int) -> tuple[Mask, Mask]:
    """Find lines along the rows, and along the columns."""
    return _lines(mask, clean=clean, least_ends=ends), _lines(mask.T, clean=clean, least_ends=ends).T


def _reaches_edge(rest: Mask) -> bool:
    """Tell whether the largest piece of what is left lies on the picture's edge, or nothing is left."""
    pieces = find_components(rest)
    if not len(pieces):
        return True
    main = int(pieces.area.argmax())
    box = (
        pieces.top[main],
        pieces.left[main],
        rest.shape[0] - 1 - pieces.bottom[main],
        rest.shape[1] - 1 - pieces.right[main],
    )
    return bool(min(box) == 0)


def _lines(mask: Mask, *, clean: bool, least_ends: int) -> Mask:
    """Find lines along the rows, which end on `least_ends` or more of the picture's two sides."""
    height, width = mask.shape
    length = max(8, int(0.3 * width))
    ink = mask.view(np.uint8)
    bridged = highest(ink, 3, 0)  # a tilted line climbs a row now and then
    gap = max(3, width // 60)
    bridged = lowest(highest(np.pad(bridged, ((0, 0), (gap, gap))), gap, 1), gap, 1)[:, gap:-gap]
    inner = np.pad(bridged, ((0, 0), (length, length)))
    opened = highest(lowest(inner, length, 1), length, 1)[:, length:-length]
    # Windows of even length sit half a pixel off, each way once: opened stays within bridged up to one pixel.
    found = find_components((opened & bridged).astype(bool))
    if not len(found):
        return np.zeros_like(mask)
    thickness = found.area / found.width - 2
    slack = max(2, 0.02 * width)
    ends = (found.left <= slack).astype(int) + (found.right >= width - 1 - slack)
    outer = np.minimum(found.top, height - 1 - found.bottom) < 0.12 * height
    # Within the picture a straight stroke is as long as a line that ends there, but not as thin.
    middle = np.where(ends == 2, max(2.5, 0.035 * height), max(2.5, 0.015 * height))
    thin = (thickness <= np.where(outer & clean, max(5.5, 0.1 * height), middle)) & (
        found.height <= thickness + 4 + 0.12 * found.width
    )
    if clean:
        small = min(height, width) <= CROP
        across = (ends == 2) & (found.width >= 0.9 * width) & (outer | (not small))
        line = across | (outer & small & (ends >= least_ends))
    else:
        line = (ends > 0) | (found.width >= 0.6 * width)
    return found.mask(thin & line) & mask


def _thickness(line: Mask, axis: int) -> int:
    runs = line.sum(axis)
    found = find_components(line)
    return (
        max(1, round(float(np.median(found.area / (found.width if axis == 0 else found.height))))) if runs.any() else 1
    )


def _near(rest: Mask, size: int, axis: int) -> Mask:
    """Grow ink across a line, along `axis`."""
    return highest(rest.view(np.uint8), size, axis).astype(bool)
