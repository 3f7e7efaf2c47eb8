"""Digits that come with scikit-learn: 1,797 by other people, chosen for no recipe and no threshold."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.preprocess import prepare
from training.synth.pool import Pool

NAME: Final = "scikit-learn"
SIZES: Final = (8, 16, 64)
"""Sides, in pixels, at which each digit is sent: as it is, and enlarged as people enlarge a small image."""


def load_bundled() -> Pool | None:
    """Prepare the digits of `sklearn.datasets.load_digits` at each size; None where scikit-learn is not installed."""
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra, of which nothing else here has need
    except ImportError:
        return None
    digits = load_digits()
    pictures = np.rint(255 - digits.images * (255 / 16)).astype(np.uint8)  # dark ink on white
    made = [prepare(enlarged(picture, side)) for side in SIZES for picture in pictures]
    return Pool(
        images=np.stack([each.image for each in made]),
        labels=np.tile(digits.target.astype(np.int64), len(SIZES)),
        kinds=np.repeat([f"{NAME}|{side} pixels|" for side in SIZES], len(pictures)),
        rejected=np.array([each.rejected is not None for each in made]),
    )


def enlarged(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Enlarge a square picture, uint8 [H, H], to uint8 [side, side] without hard steps."""
    if len(picture) == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))
