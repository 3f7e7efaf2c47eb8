"""How much each pixel differs from the paper around it, in any light, for dark or light ink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
NARROW: Final = 12  # a pen is mostly narrower than this fraction of a photo's longer side, which leaves out most clouds
WIDE: Final = 3  # and never wider than this one
EVEN: Final = 10  # grey levels: a border that varies less is a clean canvas, not a photo
FAINT: Final = 16  # contrast on an even ground, of 255, below which nothing is ink
WEAK: Final = 0.25  # share of the strongest ink's contrast below which nothing on an even ground is ink
BIMODAL: Final = 0.75  # share of the variance between two levels, from which on a picture counts as two-tone
TWO_TONE: Final = 0.9  # the same for a picture that is no crop, in which a shadow may make the two levels
PLAIN: Final = 0.1  # spread of the paper, as a share of the step from paper to ink, up to which a crop's paper is even
MOST: Final = 0.7  # a level that covers more of the picture than this is paper: no digit's ink fills its box so far
SMALL: Final = 160  # pixels; a smaller picture is a crop, in which ink takes much of the room and of the border
_LEVELS: Final = np.arange(256, dtype=np.float64)


@dataclass(frozen=True)
class Ink:
    """Contrast against the paper: one reading of a picture.

    Attributes:
        contrast: uint8 [height, width], 0 paper to 255 as far from the paper as black from white.
        low: contrast above which a pixel may be ink.
        high: contrast that writing must reach somewhere.
        inverted: whether the ink is lighter than the paper.
        photo: whether it is read as a photo, on uneven paper, rather than as a drawing or a scan.
        bordered: whether an even ground goes all the way round, which shadows, lamps and tables leave to no page.
        tight: whether it is read as a picture cut out along the digit's ink.
        window: in pixels; strokes of a photo that are wider than half of it may have been taken for paper.
        grey: uint8 [height, width], the picture that was read.
        paper: uint8 [height, width], a photo's paper without the ink, on the same scale as `grey`.
    """

    contrast: Grey
    low: float
    high: float
    inverted: bool
    photo: bool = False
    bordered: bool = False
    tight: bool = False
    window: int = 0
    grey: Grey | None = None
    paper: Grey | None = None


def read_ink(grey: Grey, *, side: int) -> Iterator[Ink]:
    """Take the paper away from a grey picture, uint8 [height, width], 0 black to 255 white.

    Args:
        grey: the picture, brought to the size on which ink is looked for.
        side: its longer side as it was sent, in pixels.

    Yields:
        The possible readings. The first is certain if it is no photo and what it shows has sharp edges, or an even
        ground all the way round; of the others the one with the best digit in it is right.
    """
    histogram = cv2.calcHist([grey], [0], None, [256], [0, 256]).reshape(-1).astype(np.float64) / grey.size
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    canvas = _on_canvas(grey, histogram, border, crop=side < SMALL)
    if canvas is not None:
        yield canvas
    plain = _in_crop(grey, histogram, border, small=side < SMALL)
    if plain is not None:
        yield plain
    soft = cv2.GaussianBlur(grey, (5, 5), 0.8)
    for inverted in (False, True):
        yield _on_paper(soft, max(soft.shape) // NARROW | 1, inverted=inverted)
    if max(soft.shape) > SMALL:  # what is missing by now was written with a broad pen
        half = (max(1, soft.shape[1] // 2), max(1, soft.shape[0] // 2))
        soft = cv2.resize(soft, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for inverted in (False, True):
        yield _on_paper(soft, max(soft.shape) // WIDE | 1, inverted=inverted)


def _on_canvas(grey: Grey, histogram: NDArray[np.float64], border: Grey, *, crop: bool) -> Ink | None:
    """Read an even ground: the border tells its level, and the farther side is ink."""
    ground = int(np.partition(border, len(border) // 2)[len(border) // 2])
    away = _LEVELS - ground
    even = float(np.count_nonzero(np.abs(border.astype(np.int16) - ground) <= EVEN)) / len(border)
    far = float(histogram[np.abs(away) > 4 * EVEN].sum())
    between = 1 - far - float(histogram[np.abs(away) <= EVEN].sum())
    bordered = even == 1
    least, most = (0.6, 0.3) if crop or bordered else (0.85, 0.05)
    thickest = 0.65 if crop and even > 0.75 else 0.45
    if not (even > least and between < most and far < thickest):
        return None
    weight = histogram * away**2  # the mean square, so that faint clouds count little
    inverted = bool(weight[ground:].sum() > weight[:ground].sum())
    contrast = cv2.subtract(grey, ground) if inverted else cv2.subtract(ground, grey)
    near = np.abs(away) <= EVEN
    noise = float(np.sqrt(weight[near].sum() / histogram[near].sum()))
    peak = cv2.minMaxLoc(contrast)[1]
    return Ink(contrast, max(FAINT, 3 * noise, WEAK * peak), max(20.0, 4 * noise), inverted, bordered=bordered)


def _in_crop(grey: Grey, histogram: NDArray[np.float64], border: Grey, *, small: bool) -> Ink | None:
    """Read two levels without a border of paper: a digit cut out along its ink, where no place is sure to be paper.

    The paper is what most of the picture is; where that is not clear, the border, the corners and the whole vote.
    """
    threshold, separation = split_levels(histogram)
    if separation < (BIMODAL if small else TWO_TONE):
        return None
    light = np.greater(grey, threshold)
    corners = light[[0, 0, -1, -1], [0, -1, 0, -1]]
    share = float(histogram[threshold + 1 :].sum())
    if MOST > share > 1 - MOST:
        share = (share + np.count_nonzero(border > threshold) / len(border) + float(corners.mean())) / 3
    inverted = share < 0.5
    ink: NDArray[np.bool_] = light if inverted else ~light
    sides = max(float(line.mean()) for line in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))
    if not small and (sides > 0.9 or not reaches_all_sides(cv2.boundingRect(ink.view(np.uint8)), ink.shape)):
        return None
    paper = _plain_paper(grey, ink)
    if paper is None:
        return None
    contrast = cv2.subtract(grey, paper) if inverted else cv2.subtract(paper, grey)
    peak = cv2.minMaxLoc(contrast)[1]
    return Ink(contrast, max(8.0, WEAK * peak), 20.0, inverted, tight=True)


def _plain_paper(grey: Grey, ink: NDArray[np.bool_]) -> int | None:
    """Give the level of a crop's paper; None where it changes too much, as in a photo that somebody made small."""
    reach = max(3, max(grey.shape) // 10)
    bare = cv2.dilate(ink.view(np.uint8), np.ones((reach, reach), np.uint8)) == 0
    far = grey[bare] if np.count_nonzero(bare) > 0.02 * grey.size else grey[~ink]
    level, spread = float(np.median(far)), float(far.std())
    step = abs(level - float(grey[ink].mean()))
    return int(level) if spread <= PLAIN * step + 1 or np.count_nonzero(bare) <= 0.02 * grey.size else None


def reaches_all_sides(box: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Tell whether a box of ink, left, top, width, height, comes near all four sides of a picture."""
    left, top, width, height = box
    room = (left, top, shape[1] - left - width, shape[0] - top - height)
    return width > 0 and max(room) < max(3, max(shape) // 25)


def above(contrast: Grey, level: float) -> NDArray[np.bool_]:
    """Tell where contrast is above a level, at least 0; ten times as fast as comparing bytes with a float."""
    return np.greater(contrast, np.uint8(min(255, int(level))))


def median(values: NDArray[np.generic]) -> float:
    """Give the median of one or more values, as NumPy does, at a fifth of its time for few."""
    half = len(values) // 2
    parted = np.partition(values, half)
    upper = float(parted[half])
    return upper if len(values) % 2 else (float(parted[:half].max()) + upper) / 2


def _on_paper(soft: Grey, window: int, *, inverted: bool) -> Ink:
    """Read uneven light: the paper is what is left when everything narrower than `window` pixels is filled up.

    Dark ink takes away a share of the light, whatever light there is; light ink adds to it.
    """
    kernel = np.ones((window, window), np.uint8)
    way = cv2.MORPH_OPEN if inverted else cv2.MORPH_CLOSE
    bare = cv2.morphologyEx(soft, way, kernel, borderType=cv2.BORDER_REPLICATE)
    if inverted:
        contrast = cv2.subtract(soft, bare)
    else:
        contrast = cv2.divide(cv2.subtract(bare, soft), cv2.max(bare, 24), scale=255)
    # Paper is most of the picture: its contrast's median and the distance to the lower sixth tell what is only grain.
    levels = cv2.calcHist([contrast], [0], None, [256], [0, 256]).reshape(-1).cumsum()
    below, middle = np.searchsorted(levels, [0.16 * soft.size, 0.5 * soft.size])
    grain = max(0.5, float(middle - below))
    low = float(np.clip(middle + 3 * grain, 5, FAINT * 2))
    return Ink(contrast, low, max(9.0, middle + 5 * grain), inverted, photo=True, grey=soft, window=window, paper=bare)


def split_levels(histogram: NDArray[np.float64]) -> tuple[int, float]:
    """Split grey levels in two (N. Otsu, 1979): the threshold, and the share of variance between the two."""
    weight, mean = histogram.cumsum(), (histogram * _LEVELS).cumsum()
    total = float(((_LEVELS - mean[-1]) ** 2 * histogram).sum())
    inside = weight * (1 - weight)
    between = np.where(inside > 1e-9, (mean[-1] * weight - mean) ** 2 / np.maximum(inside, 1e-9), 0)
    threshold = int(between.argmax())
    return threshold, float(between[threshold]) / total if total > 0 else 0.0
