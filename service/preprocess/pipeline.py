"""The whole way from a picture file to the network's input, and what is told about it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.preprocess.decode import MAX_PIXELS, decode_grey

Rejection = Literal["blank", "several_digits"]
SIDE = 28
BOX = 20


@dataclass(frozen=True)
class Prepared:
    """What the network gets to see, or why there is nothing to see.

    Attributes:
        image: uint8 [28, 28], MNIST's convention: 0 background, 255 ink; all 0 when blank.
        rejected: None, "blank" or "several_digits".
    """

    image: NDArray[np.uint8]
    rejected: Rejection | None = None


def preprocess(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Prepared:
    """Bring a picture file to the network's input; safe to call from several threads.

    Raises:
        PictureTooLarge: the header announces more than `max_pixels` pixels.
        UndecodablePicture: the bytes are no picture in one of `FORMATS`, or a damaged one.
    """
    return prepare(decode_grey(data, max_pixels=max_pixels))


def prepare(grey: NDArray[np.uint8]) -> Prepared:
    """Bring a decoded grey picture, uint8 [height, width], 0 black to 255 white, to the network's input."""
    if is_mnist_style(grey):
        return Prepared(np.ascontiguousarray(grey))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey.astype(np.float32) - float(np.median(border)))
    top = float(ink.max())
    if top < 24:
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), "blank")
    ink = np.clip(ink / top * 1.2, 0, 1)
    ink[ink < 0.3] = 0
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray((crop * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    digit = np.asarray(small, np.float32)
    y = float((digit.sum(1) * np.arange(digit.shape[0])).sum() / digit.sum())
    x = float((digit.sum(0) * np.arange(digit.shape[1])).sum() / digit.sum())
    top_row = min(max(round(13.5 - y), 0), SIDE - digit.shape[0])
    left = min(max(round(13.5 - x), 0), SIDE - digit.shape[1])
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top_row : top_row + digit.shape[0], left : left + digit.shape[1]] = digit.astype(np.uint8)
    return Prepared(image)


def is_mnist_style(grey: NDArray[np.uint8]) -> bool:
    """Tell whether a picture already is as MNIST has them: 28 x 28, black margins, white ink, centred by mass."""
    if grey.shape != (SIDE, SIDE) or int(grey.max()) < 160:
        return False
    inner = grey[4:24, 4:24]
    if int(grey.sum(dtype=np.int64)) - int(inner.sum(dtype=np.int64)) > 0.25 * int(grey.sum(dtype=np.int64)):
        return False
    return bool(np.median(grey) == 0)
