"""MNIST's convention: how large a digit is in its picture, where it lies, and whether a picture follows it already."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.contract import BOX, CENTRE, SIDE

HALF: Final = 127  # what is stronger is ink

_SQUARE: Final = np.ones((2, 2), np.uint8)


def is_mnist_style(grey: NDArray[np.uint8]) -> bool:
    """Tell whether a picture, uint8 [height, width], already is as MNIST has them.

    White on black, in a 20 x 20 box, centred by mass, with strokes wider than one pixel.
    """
    if grey.shape != (SIDE, SIDE) or 2 * cv2.countNonZero(grey) > grey.size or cv2.minMaxLoc(grey)[1] < 250:
        return False
    if max(cv2.boundingRect(grey)[2:]) not in (BOX - 1, BOX):
        return False
    moments = cv2.moments(grey)
    centred = all(abs(moments[way] / moments["m00"] - CENTRE) < 0.65 for way in ("m10", "m01"))
    return centred and not _is_hairline(grey)


def _is_hairline(grey: NDArray[np.uint8]) -> bool:
    """Tell whether strokes are one pixel wide and hard, as no pen of MNIST is: no grey, and no 2 x 2 pixels inside."""
    strokes = (grey > HALF).view(np.uint8)
    ink = cv2.countNonZero(strokes)
    soft = cv2.countNonZero(grey) - ink
    return 5 * soft < ink and 5 * cv2.countNonZero(cv2.erode(strokes, _SQUARE)) < ink
