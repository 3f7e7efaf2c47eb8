"""Connected pieces of a mask, found by runs: rows of ink pixels joined where they touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Components:
    """The pieces of a mask, 8-connected, numbered from 0.

    Attributes:
        labels: int32 [height, width], number of the piece, -1 on the background.
        area: int [n], pixels.
        top, bottom, left, right: int [n], the bounding box, both ends inclusive.
    """

    labels: NDArray[np.int32]
    area: NDArray[np.intp]
    top: NDArray[np.intp]
    bottom: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.area)

    @property
    def height(self) -> NDArray[np.intp]:
        """Heights of the bounding boxes, in pixels."""
        return self.bottom - self.top + 1

    @property
    def width(self) -> NDArray[np.intp]:
        """Widths of the bounding boxes, in pixels."""
        return self.right - self.left + 1

    def mask(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Give bool [height, width], true on the pieces where `chosen`, bool [n], is true."""
        return np.append(chosen, False)[self.labels]


def find_components(mask: NDArray[np.bool_]) -> Components:
    """Find the 8-connected pieces of a mask, bool [height, width]."""
    height, width = mask.shape
    stride = width + 2
    flat = np.zeros(height * stride + 2, np.int8)
    flat[:-2].reshape(height, stride)[:, 1:-1] = mask
    edges = np.flatnonzero(np.diff(flat))
    starts, ends = edges[::2] + 1, edges[1::2] + 1  # half-open, in padded coordinates
    if not starts.size:
        none = np.zeros(0, np.intp)
        return Components(np.full(mask.shape, -1, np.int32), none, none, none, none, none)
    # A run touches the runs of the row above that begin before its end and end after its start, one more for diagonals.
    first = np.searchsorted(ends, starts - stride, side="left")
    last = np.searchsorted(starts, ends - stride, side="right")
    count = np.maximum(last - first, 0)
    here = np.repeat(np.arange(starts.size), count)
    above = np.arange(here.size) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    roots = _join(starts.size, here, above)
    _, number = np.unique(roots, return_inverse=True)
    rows, left, right = starts // stride, starts % stride - 1, (ends - 1) % stride - 1
    total = int(number.max()) + 1
    area = np.bincount(number, ends - starts, total).astype(np.intp)
    box = [np.full(total, fill, np.intp) for fill in (height, -1, width, -1)]
    np.minimum.at(box[0], number, rows)
    np.maximum.at(box[1], number, rows)
    np.minimum.at(box[2], number, left)
    np.maximum.at(box[3], number, right)
    change = np.zeros(flat.size, np.int32)
    change[starts] = number + 1
    change[ends] -= (number + 1).astype(np.int32)
    change[0] -= 1  # outside is -1; no run begins there, because every row is padded
    labels = np.cumsum(change, dtype=np.int32)[:-2].reshape(height, stride)[:, 1:-1]
    return Components(labels, area, *box)


def _join(total: int, here: NDArray[np.intp], above: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give every run the smallest number that it is connected to, by hooking and pointer jumping."""
    parent = np.arange(total)
    while here.size:
        low, high = np.minimum(parent[here], parent[above]), np.maximum(parent[here], parent[above])
        np.minimum.at(parent, high, low)
        while True:
            jumped = parent[parent]
            if np.array_equal(jumped, parent):
                break
            parent = jumped
        apart = parent[here] != parent[above]
        here, above = here[apart], above[apart]
    return parent
