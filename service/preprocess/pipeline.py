"""The whole way from a picture file to the network's input, and what is told about it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.preprocess.decode import MAX_PIXELS, decode_grey
from service.preprocess.digit import Found, find_digit
from service.preprocess.ink import Ink, find_ink
from service.preprocess.normalise import SIDE, is_mnist_style, normalise

Rejection = Literal["blank", "several_digits"]


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
    ink = find_ink(grey)
    found = find_digit(ink)
    if found is None:
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), "blank")
    return Prepared(normalise(cut_out(ink, found)))


def cut_out(ink: Ink, found: Found) -> NDArray[np.uint8]:
    """Give the digit's ink alone, uint8 [height, width], full ink 255, cut to its box."""
    mask = found.mask
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    strength = ink.contrast[box].astype(np.float32) * (255 / max(1, found.level))
    return np.where(mask[box], np.clip(strength, 0, 255), 0).astype(np.uint8)
