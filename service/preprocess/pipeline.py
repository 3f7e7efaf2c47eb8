"""The whole way from a picture file to the network's input, and what is told about it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.contract import SIDE, Rejection
from service.preprocess.decode import MAX_PIXELS, decode_grey
from service.preprocess.digit import find_digit
from service.preprocess.ink import read_ink
from service.preprocess.normalise import is_mnist_style, normalise
from service.preprocess.thumbnail import fit_thumbnail, read_thumbnail

NARROWEST: Final = 4  # pixels; what is narrower has no room for a digit


@dataclass(frozen=True)
class Prepared:
    """What the network gets to see, or why there is nothing to see.

    Attributes:
        image: uint8 [28, 28], MNIST's convention: 0 background, 255 ink; all 0 when blank.
        rejected: None, or what the ink alone tells: blank, several digits.
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
    thumbnail = read_thumbnail(grey)
    if thumbnail is not None:
        return Prepared(fit_thumbnail(thumbnail))
    if min(grey.shape) < NARROWEST:
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), Rejection.BLANK)
    best = None
    for ink in read_ink(grey):
        found = find_digit(ink)
        if found is not None and (best is None or found.score > best.score):
            best = found
        if ink.clean and found is not None and found.written and (found.sharp or ink.bordered):
            break
    if best is None or not best.written:
        return Prepared(np.zeros((SIDE, SIDE), np.uint8), Rejection.BLANK)
    return Prepared(normalise(best.strength), Rejection.SEVERAL_DIGITS if best.digits > 1 else None)
