"""Which pieces of ink are the digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import Components, find_components
from service.preprocess.ink import Ink
from service.preprocess.rulings import without_rulings

Mask = NDArray[np.bool_]
_EDGE_WEIGHT: Final = np.array([1, 0.4, 0.15, 0.1, 0.05])  # by the number of picture sides that a piece touches


@dataclass(frozen=True)
class Found:
    """The ink of the digit: its mask, bool [height, width], and how many digits stand side by side."""

    mask: Mask
    level: int
    count: int


def find_digit(ink: Ink) -> Found | None:
    """Choose the pieces of ink that make up the digit; None when there is no ink."""
    contrast = ink.contrast
    floor = max(16.0, 3 * ink.noise)
    mask = contrast > floor
    mask = without_rulings(mask, clean=ink.clean)
    pieces = find_components(mask)
    if not len(pieces):
        return None
    # Ink differs in strength from piece to piece; what is much fainter than its own piece's best is smear, shadow, grid.
    level = np.append(peaks(pieces, contrast) * 0.45, 255)[pieces.labels]
    pieces = find_components(mask & (contrast > level))
    if not len(pieces):
        return None
    score = scores(pieces, contrast)
    main = int(score.argmax())
    chosen = belongs(pieces, contrast, main)
    peak = int(peaks(pieces, contrast)[main])
    return Found(pieces.mask(chosen), peak, 1)


def scores(pieces: Components, contrast: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Rate each piece: large, strong, central, off the edge."""
    height, width = contrast.shape
    inside = pieces.labels >= 0
    mass = np.bincount(pieces.labels[inside], contrast[inside].astype(np.float64), len(pieces))
    size = np.maximum(pieces.height, pieces.width)
    row = (pieces.top + pieces.bottom) / 2 / height - 0.5
    column = (pieces.left + pieces.right) / 2 / width - 0.5
    touched = (
        (pieces.top == 0).astype(int) + (pieces.left == 0) + (pieces.bottom == height - 1) + (pieces.right == width - 1)
    )
    return np.sqrt(mass * size) * np.exp(-2 * (row**2 + column**2)) * _EDGE_WEIGHT[touched]


def belongs(pieces: Components, contrast: NDArray[np.uint8], main: int) -> Mask:
    """Tell which pieces belong to the same digit as the main one, bool [n]."""
    size = max(int(pieces.height[main]), int(pieces.width[main]))
    reach = 0.2 * size
    gap_x = np.maximum(pieces.left - pieces.right[main], pieces.left[main] - pieces.right)
    gap_y = np.maximum(pieces.top - pieces.bottom[main], pieces.top[main] - pieces.bottom)
    strength = peaks(pieces, contrast)
    near = (gap_x < reach) & (gap_y < reach)
    sizable = np.maximum(pieces.height, pieces.width) > 0.12 * size
    alike = strength > 0.5 * strength[main]
    chosen = near & sizable & alike & (np.maximum(pieces.height, pieces.width) < 1.5 * size)
    chosen[main] = True
    return chosen


def peaks(pieces: Components, contrast: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the 95th percentile of the contrast in each piece, float [n]."""
    inside = pieces.labels >= 0
    label, value = pieces.labels[inside], contrast[inside]
    order = np.argsort(label.astype(np.int64) * 256 + value, kind="stable")
    ends = np.cumsum(pieces.area)
    at = ends - 1 - (pieces.area * 0.05).astype(int)
    return value[order][at].astype(np.float64)
