"""Which pieces of ink are the digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import find_components
from service.preprocess.ink import Ink, reaches_all_sides
from service.preprocess.pieces import Mask, Measure, Pieces, measure, strengths
from service.preprocess.rulings import without_rulings
from service.preprocess.window import highest

SMALL: Final = 100  # pixels; a photo with a shorter side is a crop, in which strokes run as far as lines
SHARP: Final = 0.6  # an outline's steepness: strokes lie above it even when blurred, clouds and shadows below
SHADOW: Final = 0.5  # below it, in a photo, nothing but a shadow
FAINTEST: Final = 20  # contrast, of 255, below which nothing was written
LEAST: Final = 6  # pixels; what is shorter is a speck or left of a line
DOUBT: Final = 0.2  # factor on the score for each sign that a piece belongs to the world around the digit
_EDGE_WEIGHT: Final = np.array([1, 0.4, 0.15, 0.1, 0.05])  # by the number of the picture's sides that a piece touches


@dataclass(frozen=True)
class Found:
    """The ink that looks most like a digit.

    Attributes:
        strength: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, other ink taken out.
        score: how much it looks like the digit that was meant, to compare readings of one picture.
        sharp: whether its outline is as steep as that of a stroke rather than that of a shadow.
        written: whether it is ink at all, rather than noise, a shadow or the edge of a table.
        digits: how many digits of its size stand side by side, itself counted.
    """

    strength: NDArray[np.uint8]
    score: float
    sharp: bool
    written: bool
    digits: int


def find_digit(ink: Ink) -> Found | None:
    """Choose the pieces of ink that make up the digit; None when there is no ink."""
    contrast = ink.contrast
    small = min(contrast.shape) < SMALL
    clean = ink.clean or small
    mask, lines = without_rulings(contrast > max(16.0, 3 * ink.noise), contrast, clean=clean, tight=ink.tight)
    merged = find_components(mask)
    if not len(merged):
        return None
    # Ink differs in strength from piece to piece; what is far fainter than its own piece's best is smear, shadow, grid.
    level = np.append(strengths(merged, contrast) * (0.25 if ink.clean else 0.45), 255)[merged.labels]
    pieces = measure(mask & (contrast > level), contrast)
    if not len(pieces):
        return None
    score = _scores(pieces, ink)
    main = int(score.argmax())
    stumps = _stumps(pieces, lines, main) if clean else np.zeros(len(pieces), bool)
    chosen = _parts(pieces, main) & ~stumps
    ink_of_digit = pieces.found.mask(chosen)
    if ink.tight and not reaches_all_sides(ink_of_digit):
        return None  # the ink at the sides was something else, and this no picture cut out along a digit
    others = _neighbours(pieces, main) & ~stumps & ~chosen
    steepness, strength = float(pieces.steepness[main]), float(pieces.strength[main])
    shadow = not clean and (steepness < SHADOW or float(pieces.contact()[main]) > 0.9)
    cut = _cut(np.where(ink_of_digit, contrast, 0).astype(np.uint8))
    remains = max(cut.shape) < LEAST or (not small and _continues_line(pieces, lines, main))
    return Found(
        _even_ink(cut),
        float(score[main]),
        sharp=steepness > SHARP or small,
        written=strength >= max(FAINTEST, 4 * ink.noise) and not shadow and not remains,
        digits=1 + int(others.sum()),
    )


def _scores(pieces: Pieces, ink: Ink) -> Measure:
    """Rate each piece, float [n]: large, strong, sharp, central, off the edge; in a photo no hole, table or cloud."""
    height, width = ink.contrast.shape
    row = (pieces.found.top + pieces.found.bottom) / 2 / height - 0.5
    column = (pieces.found.left + pieces.found.right) / 2 / width - 0.5
    score = np.sqrt(pieces.mass * pieces.extent) * np.exp(-2 * (row**2 + column**2)) * _EDGE_WEIGHT[pieces.touched]
    score = score * np.minimum(1, pieces.steepness) ** 3 * np.sqrt(pieces.strength / max(1, pieces.strength.max()))
    if not ink.clean:
        doubts = pieces.in_line(), pieces.contact() > 0.6, pieces.pen > 0.6 * ink.window
        score = score * np.prod(np.where(doubts, DOUBT, 1), axis=0)
    # Photos of light ink on a dark board are rare, photos of a lamp's glow are not.
    rated: Measure = score * (0.35 if ink.inverted and not ink.clean else 1)
    return rated


def _parts(pieces: Pieces, main: int) -> Mask:
    """Tell which pieces belong to the same digit as the main one: near, not tiny, as strong and as sharp; bool [n]."""
    found, size = pieces.found, int(pieces.extent[main])
    reach = 0.2 * size
    gap_x = np.maximum(found.left - found.right[main], found.left[main] - found.right)
    gap_y = np.maximum(found.top - found.bottom[main], found.top[main] - found.bottom)
    chosen: Mask = (gap_x < reach) & (gap_y < reach) & (pieces.extent > 0.12 * size) & (pieces.extent < 1.5 * size)
    chosen &= (pieces.strength > 0.5 * pieces.strength[main]) & (pieces.steepness > 0.6 * pieces.steepness[main])
    chosen &= ~pieces.in_line() & (pieces.touched <= pieces.touched[main])
    chosen[main] = True
    return chosen


def _neighbours(pieces: Pieces, main: int) -> Mask:
    """Find further digits: as tall, as strong, drawn with a like pen, beside the main one; bool [n]."""
    found = pieces.found
    high, wide = found.height, found.width
    overlap_y = np.minimum(found.bottom, found.bottom[main]) - np.maximum(found.top, found.top[main]) + 1
    overlap_x = np.minimum(found.right, found.right[main]) - np.maximum(found.left, found.left[main]) + 1
    level = overlap_y > 0.6 * np.minimum(high, high[main])
    apart = (overlap_x < 0.1 * np.minimum(wide, wide[main])) & (-overlap_x < 2 * high[main])
    alike: Mask = _within(high / high[main], 0.6) & _within(pieces.strength / pieces.strength[main], 0.6)
    alike &= _within(pieces.pen / pieces.pen[main], 0.33)
    alike &= (
        level
        & apart
        & (pieces.touched <= pieces.touched[main])
        & (pieces.steepness > max(SHARP, 0.6 * pieces.steepness[main]))
    )
    return alike


def _continues_line(pieces: Pieces, lines: Mask, main: int) -> bool:
    """Tell whether the main piece is a bar as thin as a line that went and that runs on from it."""
    found = pieces.found
    top, bottom, left, right = (int(side[main]) for side in (found.top, found.bottom, found.left, found.right))
    high, wide = bottom - top + 1, right - left + 1
    if min(high, wide) > 0.25 * max(high, wide):
        return False
    if wide > high:
        lines, top, bottom, left, right = lines.T, left, right, top, bottom
    length, thickness = bottom - top + 1, right - left + 1
    around = lines[:, max(0, left - 1) : right + 2].sum(axis=1)
    sides = around[max(0, top - length) : top], around[bottom + 1 : bottom + 1 + length]
    return any(
        len(side) > 3 and np.mean(side > 0) > 0.6 and thickness <= 1.5 * np.median(side[side > 0]) + 2 for side in sides
    )


def _stumps(pieces: Pieces, lines: Mask, main: int) -> Mask:
    """Find what is left of a form's lines: pieces other than the main one that hang on a line which went; bool [n]."""
    hanging = np.zeros(len(pieces), bool)
    if lines.any():
        labels = pieces.found.labels[highest(highest(lines.view(np.uint8), 5, 0), 5, 1) > 0]
        hanging[labels[labels >= 0]] = True
        hanging[main] = False
    return hanging


def _cut(contrast: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a picture to what is not 0."""
    rows, columns = np.flatnonzero(contrast.any(1)), np.flatnonzero(contrast.any(0))
    return contrast[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _even_ink(contrast: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring light and heavy pressure to one strength, each pixel against the best of its neighbourhood."""
    reach = max(3, max(contrast.shape) // 8 | 1)
    best = highest(highest(contrast, reach, 0), reach, 1).astype(np.float32)
    best = np.maximum(best, 0.3 * float(contrast.max()))
    return np.clip(contrast * (255 / best), 0, 255).astype(np.uint8)


def _within(ratio: Measure, least: float) -> Mask:
    within: Mask = (ratio >= least) & (ratio <= 1 / least)
    return within
