"""Largest and smallest values in a sliding window, in a few passes whatever the window's size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def highest(image: Grey, size: int, axis: int) -> Grey:
    """Give the largest value among `size` neighbours along one axis, the edge repeated; uint8 [height, width]."""
    return _slide(image, size, axis, np.maximum)


def lowest(image: Grey, size: int, axis: int) -> Grey:
    """Give the smallest value among `size` neighbours along one axis, the edge repeated; uint8 [height, width]."""
    return _slide(image, size, axis, np.minimum)


def close_holes(image: Grey, size: int) -> Grey:
    """Fill what is dark and narrower than `size` pixels with the level around it (grey closing by a square)."""
    # Padded by the whole window, so that a dark margin or corner goes on outside and is not taken for something narrow.
    wide = np.pad(image, size, mode="edge")
    tall = highest(highest(wide, size, 0), size, 1)
    return lowest(lowest(tall, size, 0), size, 1)[size:-size, size:-size]


def _slide(image: Grey, size: int, axis: int, choose: np.ufunc) -> Grey:
    """Double the window until it fits: log2(size) passes instead of size."""
    before = (size - 1) // 2
    pad = [(0, 0), (0, 0)]
    pad[axis] = (before, size - 1 - before)
    result = np.pad(image, pad, mode="edge")
    if axis == 1:
        result = result.T  # so that every pass runs over whole rows; the copy is made by the first one
    done = 1
    while done < size:
        step = min(done, size - done)
        result = choose(result[:-step], result[step:])
        done += step
    return result.T if axis == 1 else result
