"""The steps from a picture file to the network's input, or to a rejection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.contract import SIDE, Rejection
from service.preprocess.bounded_file import packed_parts
from service.preprocess.colour import to_grey
from service.preprocess.decode import MAX_PIXELS, decode, decode_for
from service.preprocess.digit import Found, find_digit
from service.preprocess.ink import read_ink
from service.preprocess.layout import is_mnist_style
from service.preprocess.normalise import normalise

NARROWEST: Final = 4  # pixels; what is narrower has no room for a digit
LEAST_CONTRAST: Final = 8  # grey levels between the darkest and the lightest pixel of a picture that shows something
COARSE: Final = 320  # pixels: longer side at most, where digits are looked for
LARGE: Final = 100  # pixels: longer side at least, so that strokes are wide enough to be measured
CLEAR: Final = 44  # pixels: a digit that is smaller on the coarse picture is looked at again on a finer one


@dataclass(frozen=True)
class Prepared:
    """The network's input, or why there is none.

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
    picture, halved = decode_for(COARSE, data, max_pixels=max_pixels)
    return prepare(picture, finer=partial(decode, data, max_pixels=max_pixels) if halved else None)


def preprocess_at_once(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Prepared | None:
    """Prepare only what is as cheap as decoding: MNIST's own layout, and blank pictures; return None for all others.

    Raises:
        PictureTooLarge: the header announces more than `max_pixels` pixels.
        UndecodablePicture: the bytes are no picture, or a damaged one.
    """
    if packed_parts(data):
        return None  # each may take longer to unpack than the whole rest
    picture = decode(data, max_pixels=max_pixels)
    if picture.ndim == 2:
        if is_mnist_style(picture):
            return Prepared(np.ascontiguousarray(picture))
        if _is_even(picture):
            return Prepared(np.zeros((SIDE, SIDE), np.uint8), Rejection.BLANK)
    return None


def prepare(picture: NDArray[np.uint8], *, finer: Callable[[], NDArray[np.uint8]] | None = None) -> Prepared:
    """Bring a decoded picture to the network's input; every array of uint8 has an answer.

    Args:
        picture: uint8 [height, width], 0 black to 255 white, or [height, width, 3], red, green, blue; no side is 0.
        finer: gives the same picture twice as large, where it is there; for a digit that is small on this one.
    """
    if picture.ndim == 2 and is_mnist_style(picture):
        return Prepared(np.ascontiguousarray(picture))
    blank = Prepared(np.zeros((SIDE, SIDE), np.uint8), Rejection.BLANK)
    if min(picture.shape[:2]) < NARROWEST:
        return blank
    grey = to_grey(np.ascontiguousarray(picture))
    if _is_even(grey):
        return blank
    sent = grey.shape if finer is None else tuple(2 * side for side in grey.shape)
    coarse = _to_work_scale(grey)
    found = _look(coarse, sent)
    if found is None:
        return blank
    digits = found.digits
    if max(found.strength.shape) < min(CLEAR, max(found.box[2:])):
        fine = grey if finer is None else to_grey(finer())
        found = _look_nearer(fine, found) or found
    return Prepared(normalise(found.strength), Rejection.SEVERAL_DIGITS if digits > 1 else None)


def _is_even(grey: NDArray[np.uint8]) -> bool:
    low, high, _, _ = cv2.minMaxLoc(grey)
    return bool(high - low < LEAST_CONTRAST)


def _to_work_scale(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce or enlarge by a whole factor."""
    longer = max(grey.shape)
    if longer > COARSE:
        factor = -(-longer // COARSE)
        size = [-(-side // factor) for side in grey.shape]
        # Repeat the last row and column up to a whole multiple: OpenCV reduces by a whole factor ten times as fast.
        down, right = (part * factor - side for part, side in zip(size, grey.shape, strict=True))
        if down or right:
            grey = cv2.copyMakeBorder(grey, 0, down, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
        return cv2.resize(grey, size[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    factor = -(-LARGE // longer)
    if factor == 1:
        return grey
    size = [side * factor for side in grey.shape]
    return cv2.resize(grey, size[::-1], interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)


def _look(grey: NDArray[np.uint8], sent: tuple[int, ...]) -> Found | None:
    """Read a picture in each possible way, and give the best digit."""
    best: Found | None = None
    for ink in read_ink(grey, side=max(sent)):
        best = find_digit(ink, side=min(sent), best=best.score if best else -1) or best
        if best is not None and best.certain and (ink.inverted or not ink.photo):
            break
    return best


def _look_nearer(grey: NDArray[np.uint8], found: Found) -> Found | None:
    """Read the surroundings of a small digit again, at a finer scale."""
    top, left, height, width = found.box
    room = round(0.6 * max(height, width))
    near = grey[max(0, top - room) : top + height + room, max(0, left - room) : left + width + room]
    return _look(_to_work_scale(np.ascontiguousarray(near)), grey.shape)
