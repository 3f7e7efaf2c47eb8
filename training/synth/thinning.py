"""Strokes to their centre lines."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Neighbours P2..P9 of Zhang and Suen, clockwise from north, as (row, column) offsets; neighbour k sets bit k.
_NEIGHBOURS: Final = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin strokes to lines one pixel wide that keep their connections.

    The algorithm of T. Y. Zhang and C. Y. Suen, "A fast parallel algorithm for thinning digital patterns",
    Communications of the ACM 27(3), 1984, with its two deletion conditions as tables over the 256 neighbourhoods.

    Args:
        mask: bool [height, width], true on ink.

    Returns:
        bool [height, width], a subset of `mask`.
    """
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    flat = padded.reshape(-1)
    steps = np.array([row * (width + 2) + column for row, column in _NEIGHBOURS])[:, None]
    weights = (1 << np.arange(8, dtype=np.uint8))[:, None]
    ink = np.flatnonzero(flat)
    changed = True
    while changed:
        changed = False
        for deletable in _deletable():
            code = (flat[ink + steps] * weights).sum(0, dtype=np.uint8)
            gone = deletable[code]
            if gone.any():
                flat[ink[gone]] = 0
                ink = ink[~gone]
                changed = True
    return padded[1:-1, 1:-1].astype(bool)


@cache
def _deletable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each of the two sub-iterations, bool [256]: may a pixel with these neighbours go?"""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    count = bits.sum(1)
    transitions = ((bits == 0) & (np.roll(bits, -1, 1) == 1)).sum(1)
    common = (count >= 2) & (count <= 6) & (transitions == 1)
    north, east, south, west = bits[:, 0], bits[:, 2], bits[:, 4], bits[:, 6]
    first = common & (north * east * south == 0) & (east * south * west == 0)
    second = common & (north * east * west == 0) & (north * south * west == 0)
    return first, second
