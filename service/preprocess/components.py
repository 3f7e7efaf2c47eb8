"""Connected pieces of ink, the largest of them measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Measure = NDArray[np.float64]
MOST: Final = 48  # pieces that are looked at: a digit and what lies around it are fewer, noise is thousands
SPECK: Final = 0.05  # of the largest piece's extent: what is smaller is noise
_LEVELS: Final = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Components:
    """Pieces of a mask, 8-connected, numbered from 1, the largest first.

    Attributes:
        labels: uint16 [height, width], number of the piece, 0 on the background and on what is left out.
        left, top, width, height: int [n], the bounding boxes; piece k is in place k - 1.
        area: float64 [n], pixels.
        mass: float64 [n], sum of the contrast.
        strength: float64 [n], contrast that all but the strongest hundredth stays below, 0 to 255.
    """

    labels: NDArray[np.uint16]
    left: NDArray[np.int32]
    top: NDArray[np.int32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    area: Measure
    mass: Measure
    strength: Measure

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.area)

    @property
    def right(self) -> NDArray[np.int32]:
        """Last columns of the boxes."""
        return self.left + self.width - 1

    @property
    def bottom(self) -> NDArray[np.int32]:
        """Last rows of the boxes."""
        return self.top + self.height - 1

    @property
    def extent(self) -> NDArray[np.int32]:
        """Longer sides of the boxes, in pixels."""
        return np.maximum(self.width, self.height)

    def mask(self, chosen: Mask) -> Mask:
        """Give bool [height, width], true on the pieces where `chosen`, bool [n], is true."""
        if np.count_nonzero(chosen) == 1:
            return np.equal(self.labels, int(chosen.argmax()) + 1)
        return np.append(False, chosen)[self.labels]

    def inside(self, place: int) -> tuple[slice, slice]:
        """Give the rows and columns of a piece's box."""
        top, left = int(self.top[place]), int(self.left[place])
        return slice(top, top + int(self.height[place])), slice(left, left + int(self.width[place]))


def label(mask: Mask) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Number the pieces of a mask of at most 2**17 pixels: labels, and [left, top, width, height, area] of each."""
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.view(np.uint8), 8, cv2.CV_16U, cv2.CCL_SPAGHETTI
    )
    return labels.astype(np.uint16, copy=False), stats[1:].astype(np.int32, copy=False)


def find_components(mask: Mask, contrast: NDArray[np.uint8]) -> Components | None:
    """Find the largest pieces of a mask, bool [height, width], and measure them on their contrast, uint8.

    Returns:
        None if there is no ink.
    """
    labels, stats = label(mask)
    if not len(stats):
        return None
    number = np.zeros(len(stats) + 1, np.uint16)
    extent = np.maximum(stats[:, 2], stats[:, 3])
    kept = np.flatnonzero(extent >= SPECK * int(extent.max()))
    kept = kept[np.argsort(-stats[kept, 4], kind="stable")][:MOST]
    number[kept + 1] = np.arange(1, len(kept) + 1)
    place = np.flatnonzero(mask)
    piece = number[labels.reshape(-1)[place]].astype(np.intp)
    value = contrast.reshape(-1)[place]
    histogram = np.bincount(piece * 256 + value, minlength=256 * (len(kept) + 1)).reshape(-1, 256)[1:]
    area = histogram.sum(1)
    stronger = histogram[:, ::-1].cumsum(1)
    strength = 255.0 - (stronger > (0.01 * area)[:, None]).argmax(1)
    if len(kept) < len(stats) or len(kept) > 1:
        flat = np.zeros(mask.size, np.uint16)
        flat[place] = piece
        labels = flat.reshape(mask.shape)
    box = stats[kept]
    return Components(
        labels, box[:, 0], box[:, 1], box[:, 2], box[:, 3], area.astype(np.float64), histogram @ _LEVELS, strength
    )
