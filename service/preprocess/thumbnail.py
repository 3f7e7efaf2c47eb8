"""Pictures that are no larger than what the network sees: their grey levels hold what a mask of them would lose."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.contract import BOX, CENTRE, SIDE

LARGEST: Final = 32  # pixels; above it strokes are wide enough to be found, thinned and thickened
LEAST_CONTRAST: Final = 24  # grey levels between the darkest and the lightest pixel of a picture that shows something
FAINT: Final = 0.15  # share of the contrast below which a pixel is background
CLEAN: Final = 0.3  # at least so much of a drawn digit's picture is background

Ink = NDArray[np.float32]


def read_thumbnail(grey: NDArray[np.uint8]) -> Ink | None:
    """Read a small picture as ink, or say that it is no plain one.

    Args:
        grey: uint8 [height, width], 0 black to 255 white.

    Returns:
        float32 [height, width], 0 background to 1 ink; None if it is too large, has no contrast, or has no even
        background (a photo that somebody scaled down).
    """
    if max(grey.shape) > LARGEST:
        return None
    low, high = int(grey.min()), int(grey.max())
    if high - low < LEAST_CONTRAST:
        return None
    light = (grey.astype(np.float32) - low) / (high - low)
    # Ink may reach the border of a tight crop, so no single place tells paper from ink: the border, the corners and the
    # whole vote.
    border = np.concatenate([light[0], light[-1], light[1:-1, 0], light[1:-1, -1]])
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]]
    inverted = float(light.mean() + border.mean() + corners.mean()) >= 1.5
    ink = (1 - light if inverted else light).astype(np.float32)
    return ink if float((ink < FAINT).mean()) >= CLEAN else None


def fit_thumbnail(ink: Ink) -> NDArray[np.uint8]:
    """Bring ink, float32 [height, width] of 0…1, to MNIST's convention: uint8 [28, 28], longest side 20, centred."""
    rows, columns = np.flatnonzero((ink > FAINT).any(1)), np.flatnonzero((ink > FAINT).any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    resample = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    fitted = np.asarray(Image.fromarray(ink).resize(size, resample)).clip(0, 1)
    top, left = (_offset(fitted.sum(1 - axis)) for axis in (0, 1))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = np.rint(fitted * 255)
    return image


def _offset(profile: NDArray[np.float32]) -> int:
    """Where a profile of ink begins if its centre of mass is to be on the centre, as far as it fits."""
    mass = float((profile * np.arange(len(profile))).sum() / profile.sum())
    return min(max(0, round(CENTRE - mass)), SIDE - len(profile))
