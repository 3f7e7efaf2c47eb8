"""Colour to grey, by the mixture of the channels that shows the ink best."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SEEN: Final = 96  # pixels: longer side on which the mixture is chosen
PLAIN: Final = np.array([0.299, 0.587, 0.114])  # shares of red, green and blue in grey (ITU-R BT.601)
BETTER: Final = 2.0  # times the contrast of plain grey, from which on another mixture is worth leaving it


def to_grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mix the channels of a picture to one, uint8 [height, width].

    Plain grey throws away what is as light as the paper: yellow on a whiteboard, light blue on grey. Where another
    mixture shows `BETTER` times as much of what is small and differs from its surroundings, that one is taken.

    Args:
        picture: uint8 [height, width], which stays as it is, or [height, width, 3], red, green, blue.
    """
    if picture.ndim == 2:
        return picture
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    mixture = _best_mixture(picture)
    if mixture is None:
        return grey
    # Weights of absolute sum 1, shifted so that the darkest possible colour is 0 and the lightest 255.
    matrix = np.append(mixture, -255 * mixture[mixture < 0].sum())[None]
    mixed = cv2.transform(picture, matrix)
    return mixed.astype(np.uint8, copy=False).reshape(grey.shape)


def _best_mixture(picture: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Give the weights of red, green and blue, float64 [3], of absolute sum 1; None for plain grey."""
    while max(picture.shape[:2]) >= 2 * SEEN and min(picture.shape[:2]) > 1:  # by halves, which are the fastest
        height, width = (side // 2 for side in picture.shape[:2])
        even = picture[: 2 * height, : 2 * width]
        picture = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    scale = SEEN / max(picture.shape[:2])
    if scale < 1:
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    colours = picture.astype(np.float32)
    details = (colours - cv2.blur(colours, (SEEN // 3 | 1, SEEN // 3 | 1))).reshape(-1, 3)
    spread = (details.T @ details / len(details)).astype(np.float64)
    mixture = np.linalg.eigh(spread)[1][:, -1]
    mixture /= np.abs(mixture).sum() * (1 if mixture.sum() >= 0 else -1)
    gain = mixture @ spread @ mixture, PLAIN @ spread @ PLAIN
    return mixture if gain[0] > BETTER**2 * gain[1] + 1 else None
