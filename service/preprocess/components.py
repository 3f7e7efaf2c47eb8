"""Connected pieces of ink, the largest of them measured."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Measure = NDArray[np.float64]
MOST: Final = 48  # pieces that are looked at: a digit and what lies around it are fewer, noise is thousands
SPECK: Final = 0.05  # of the largest piece's extent: what is smaller is noise
_LEVELS: Final = np.arange(256, dtype=np.float64)


class Components:
    """Pieces of a mask, 8-connected, the largest first; their contrast is measured on first use.

    Attributes:
        labels: uint16 [height, width], number of the piece at a pixel, 0 on the background.
        number: int [n], the pieces' numbers in `labels`; other numbers are of pieces that are left out.
        left, top, width, height, right, bottom: int32 [n], the bounding boxes, first and last columns and rows.
        extent: int32 [n], the longer sides of the boxes, in pixels.
        area: int32 [n], pixels.
    """

    def __init__(
        self,
        labels: NDArray[np.uint16],
        number: NDArray[np.intp],
        stats: NDArray[np.int32],
        contrast: NDArray[np.uint8],
    ) -> None:
        self.labels = labels
        self.number = number
        self.left, self.top, self.width, self.height, self.area = stats.T
        self.right, self.bottom = self.left + self.width - 1, self.top + self.height - 1
        self.extent = np.maximum(self.width, self.height)
        self._contrast = contrast

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.number)

    @cached_property
    def mass(self) -> Measure:
        """Sums of the contrast, float64 [n]."""
        mass: Measure = self._histogram @ _LEVELS
        return mass

    @cached_property
    def strength(self) -> Measure:
        """Contrast that all but the strongest hundredth of a piece stays below, float64 [n], 0 to 255."""
        stronger = self._histogram[:, ::-1].cumsum(1)
        strength: Measure = 255.0 - (stronger > (0.01 * self.area)[:, None]).argmax(1)
        return strength

    @cached_property
    def _histogram(self) -> Measure:
        """Pixels of each piece by contrast, float64 [n, 256]."""
        histogram = np.empty((len(self), 256))
        for place, row in enumerate(histogram):
            box = self.inside(place)
            own = self.shape(place, box).view(np.uint8)
            row[:] = cv2.calcHist([self._contrast[box]], [0], own, [256], [0, 256]).ravel()
        return histogram

    def inside(self, place: int) -> tuple[slice, slice]:
        """Give the rows and columns of a piece's box."""
        top, left = int(self.top[place]), int(self.left[place])
        return slice(top, top + int(self.height[place])), slice(left, left + int(self.width[place]))

    def shape(self, place: int, box: tuple[slice, slice]) -> Mask:
        """Give bool [rows, columns], true on a piece's pixels in a part of the picture."""
        return np.equal(self.labels[box], np.uint16(self.number[place]))

    def mask(self, chosen: Mask, box: tuple[slice, slice]) -> Mask:
        """Give bool [rows, columns], true on the pieces where `chosen`, bool [n], is true, in a part of the picture."""
        first, *others = np.flatnonzero(chosen).tolist()
        mask = self.shape(first, box)
        for place in others:
            mask |= self.shape(place, box)
        return mask

    def union(self, chosen: Mask) -> tuple[slice, slice]:
        """Give the rows and columns of the box around the pieces where `chosen`, bool [n], is true."""
        rows = slice(int(self.top[chosen].min()), int(self.bottom[chosen].max()) + 1)
        return rows, slice(int(self.left[chosen].min()), int(self.right[chosen].max()) + 1)


def label(mask: Mask) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Number the pieces of a mask of at most 2**17 pixels: labels, and [left, top, width, height, area] of each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.view(np.uint8), 8, cv2.CV_16U, cv2.CCL_SPAGHETTI
    )
    return labels.astype(np.uint16, copy=False), stats[1:].astype(np.int32, copy=False)


def find_components(mask: Mask, contrast: NDArray[np.uint8]) -> Components | None:
    """Find the largest pieces of a mask, bool [height, width], to be measured on their contrast, uint8.

    Returns:
        None if there is no ink.
    """
    labels, stats = label(mask)
    if not len(stats):
        return None
    extent = stats[:, 2:4].max(1)
    kept = np.flatnonzero(extent >= SPECK * int(extent.max()))
    kept = kept[np.argsort(-stats[kept, 4], kind="stable")][:MOST]
    return Components(labels, kept + 1, stats[kept], contrast)
