"""Which pieces of ink are the digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import Components, find_components
from service.preprocess.ink import Ink
from service.preprocess.rulings import without_rulings
from service.preprocess.window import highest, lowest

Mask = NDArray[np.bool_]
SMALL: Final = 100  # pixels; a photo with a shorter side is a crop, in which strokes run as far as lines
SHARP: Final = 0.6  # an outline's steepness: strokes lie above even when blurred, clouds and shadows below
_EDGE_WEIGHT: Final = np.array([1, 0.4, 0.15, 0.1, 0.05])  # by the number of picture sides that a piece touches


@dataclass(frozen=True)
class Found:
    """The ink of the digit.

    Attributes:
        strength: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, other ink taken out.
        score: how much it looks like the digit that was meant, to compare readings of one picture.
        sharp: whether its outline is as steep as that of a stroke rather than that of a shadow.
    """

    strength: NDArray[np.uint8]
    score: float
    sharp: bool
    clean: bool
    contrast: float
    noise: float
    steepness: float
    extent: int
    share: float
    contact: float
    digits: int
    pieces: int = 0


def find_digit(ink: Ink) -> Found | None:
    """Choose the pieces of ink that make up the digit; None when there is no ink."""
    contrast = ink.contrast
    floor = max(16.0, 3 * ink.noise)
    clean = ink.clean or min(contrast.shape) < SMALL
    mask, lines = without_rulings(contrast > floor, contrast, clean=clean)
    pieces = find_components(mask)
    if not len(pieces):
        return None
    # Ink differs in strength from piece to piece; what is much fainter than its own piece's best is smear, shadow, grid.
    cut = 0.25 if ink.clean else 0.45
    level = np.append(top_contrast(pieces, contrast) * cut, 255)[pieces.labels]
    pieces = find_components(mask & (contrast > level))
    pieces = without_specks(pieces)
    if not len(pieces):
        return None
    score = scores(pieces, contrast, ink)
    main = int(score.argmax())
    chosen = belongs(pieces, contrast, main) & ~beside(pieces, lines, main, clean=clean)
    others = neighbours(pieces, contrast, main) & ~beside(pieces, lines, main, clean=clean) & ~chosen
    digit = pieces.mask(chosen)
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    strength = np.where(digit, contrast, 0)[box]
    steepness = float(sharpness(pieces, contrast)[main])
    return Found(
        _even_ink(strength),
        float(score[main]),
        sharp=steepness > SHARP or min(contrast.shape) < SMALL,
        clean=clean,
        contrast=float(top_contrast(pieces, contrast)[main]),
        noise=ink.noise,
        steepness=steepness,
        extent=max(strength.shape),
        share=float(strength.sum()) / max(1.0, float(contrast[pieces.labels >= 0].sum())),
        contact=float(contact(pieces)[main]),
        digits=1 + int(others.sum()),
        pieces=len(pieces),
    )


def _even_ink(contrast: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring light and heavy pressure to one strength, each pixel against the best of its neighbourhood."""
    reach = max(3, max(contrast.shape) // 8 | 1)
    best = highest(highest(contrast, reach, 0), reach, 1).astype(np.float32)
    best = np.maximum(best, 0.3 * float(contrast.max()))
    return np.clip(contrast * (255 / best), 0, 255).astype(np.uint8)


def without_specks(pieces: Components) -> Components:
    """Leave out what is far smaller than the largest piece: noise."""
    if not len(pieces):
        return pieces
    size = np.maximum(pieces.height, pieces.width)
    keep = size >= max(2, 0.05 * int(size.max()))
    if keep.all():
        return pieces
    number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1).astype(np.int32)
    return Components(
        number[pieces.labels],
        *(field[keep] for field in (pieces.area, pieces.top, pieces.bottom, pieces.left, pieces.right)),
    )


def scores(pieces: Components, contrast: NDArray[np.uint8], ink: Ink) -> NDArray[np.float64]:
    """Rate each piece: large, strong, sharp, central, off the edge, not one of a row of holes; float [n]."""
    height, width = contrast.shape
    inside = pieces.labels >= 0
    mass = np.bincount(pieces.labels[inside], contrast[inside].astype(np.float64), len(pieces))
    size = np.maximum(pieces.height, pieces.width)
    row = (pieces.top + pieces.bottom) / 2 / height - 0.5
    column = (pieces.left + pieces.right) / 2 / width - 0.5
    score = np.sqrt(mass * size) * np.exp(-2 * (row**2 + column**2)) * _EDGE_WEIGHT[touched(pieces)]
    score = score * np.minimum(1, sharpness(pieces, contrast)) ** 3
    if not ink.clean:
        doubts = in_a_row(pieces), contact(pieces) > 0.6, stroke_widths(pieces) > 0.6 * ink.window
        score = score * np.prod(np.where(doubts, 0.2, 1), axis=0)
    return score * (0.35 if ink.inverted and not ink.clean else 1)


def beside(pieces: Components, lines: Mask, main: int, *, clean: bool) -> Mask:
    """Find the stumps of a form's lines: pieces other than the main one that hang on a line which went; bool [n]."""
    hanging = np.zeros(len(pieces), bool)
    if clean and lines.any():
        grown = highest(highest(lines.view(np.uint8), 5, 0), 5, 1).astype(bool)
        labels = pieces.labels[grown]
        hanging[labels[labels >= 0]] = True
        hanging[main] = False
    return hanging


def touched(pieces: Components) -> NDArray[np.intp]:
    """Count the sides of the picture that each piece touches, int [n]."""
    height, width = pieces.labels.shape
    sides = (pieces.top == 0, pieces.left == 0, pieces.bottom == height - 1, pieces.right == width - 1)
    return np.sum(sides, axis=0)


def contact(pieces: Components) -> NDArray[np.float64]:
    """Tell how much of its length each piece leans on a side of the picture: table edges do, float [n], 0 to 1."""
    total = len(pieces)
    labels, wide, high = pieces.labels, pieces.width, pieces.height
    sides = ((labels[0], wide), (labels[-1], wide), (labels[:, 0], high), (labels[:, -1], high))
    shares = [np.bincount(line[line >= 0], minlength=total) / extent for line, extent in sides]
    return np.max(shares, axis=0)


def stroke_widths(pieces: Components) -> NDArray[np.float64]:
    """Estimate each piece's stroke width: twice its area over the length of its outline, float [n], pixels."""
    label = pieces.labels[outlines(pieces)]
    return 2 * pieces.area / np.maximum(np.bincount(label, minlength=len(pieces)), 1)


def outlines(pieces: Components) -> Mask:
    """Find the pixels of the pieces that have the background on one of four sides, bool [height, width]."""
    labels = np.pad(pieces.labels, 1, mode="edge")
    return (pieces.labels >= 0) & (
        (labels[:-2, 1:-1] < 0) | (labels[2:, 1:-1] < 0) | (labels[1:-1, :-2] < 0) | (labels[1:-1, 2:] < 0)
    )


def sharpness(pieces: Components, contrast: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Tell how steep each piece's outline is: the rise across it over the piece's own best, float [n], 0 to about 1."""
    rise = highest(highest(contrast, 5, 0), 5, 1) - lowest(lowest(contrast, 5, 0), 5, 1)
    outline = outlines(pieces)
    label = pieces.labels[outline]
    length = np.maximum(np.bincount(label, minlength=len(pieces)), 1)
    mean = np.bincount(label, rise[outline].astype(np.float64), len(pieces)) / length
    return 1.25 * mean / np.maximum(top_contrast(pieces, contrast), 1)


def in_a_row(pieces: Components) -> Mask:
    """Find the holes and wires of a binding: four or more alike, in line along a side of the picture; bool [n]."""
    height, width = pieces.labels.shape
    if not 4 <= len(pieces) <= 400:
        return np.zeros(len(pieces), bool)
    row, column = (pieces.top + pieces.bottom) / 2, (pieces.left + pieces.right) / 2
    high, wide = pieces.height, pieces.width
    alike = (np.abs(np.log(high[:, None] / high)) < 0.4) & (np.abs(np.log(wide[:, None] / wide)) < 0.4)
    same_row = alike & (np.abs(row[:, None] - row) < 0.5 * high)
    same_column = alike & (np.abs(column[:, None] - column) < 0.5 * wide)
    near_side = (np.minimum(row, height - row) < 0.15 * height) & (same_row.sum(1) >= 4)
    return near_side | ((np.minimum(column, width - column) < 0.15 * width) & (same_column.sum(1) >= 4))


def belongs(pieces: Components, contrast: NDArray[np.uint8], main: int) -> Mask:
    """Tell which pieces belong to the same digit as the main one, bool [n]."""
    extent = np.maximum(pieces.height, pieces.width)
    size = int(extent[main])
    reach = 0.2 * size
    gap_x = np.maximum(pieces.left - pieces.right[main], pieces.left[main] - pieces.right)
    gap_y = np.maximum(pieces.top - pieces.bottom[main], pieces.top[main] - pieces.bottom)
    near = (gap_x < reach) & (gap_y < reach)
    strength = top_contrast(pieces, contrast)
    chosen = near & (extent > 0.12 * size) & (extent < 1.5 * size) & (strength > 0.5 * strength[main])
    sharp = sharpness(pieces, contrast)
    chosen &= (sharp > 0.6 * sharp[main]) & ~in_a_row(pieces) & (touched(pieces) <= touched(pieces)[main])
    chosen[main] = True
    return chosen


def neighbours(pieces: Components, contrast: NDArray[np.uint8], main: int) -> Mask:
    """Find the pieces that are further digits: as tall, as strong, drawn with the same pen, beside the main one; bool [n]."""
    high, wide = pieces.height, pieces.width
    overlap_y = np.minimum(pieces.bottom, pieces.bottom[main]) - np.maximum(pieces.top, pieces.top[main]) + 1
    overlap_x = np.minimum(pieces.right, pieces.right[main]) - np.maximum(pieces.left, pieces.left[main]) + 1
    strength, pen = top_contrast(pieces, contrast), stroke_widths(pieces)
    alike = _within(high / high[main], 0.6) & _within(strength / strength[main], 0.6) & _within(pen / pen[main], 0.5)
    beside = (overlap_y > 0.6 * np.minimum(high, high[main])) & (overlap_x < 0.1 * np.minimum(wide, wide[main]))
    near = -overlap_x < 2 * high[main]
    return alike & beside & near & (touched(pieces) <= touched(pieces)[main]) & (sharpness(pieces, contrast) > SHARP)


def _within(ratio: NDArray[np.float64], least: float) -> Mask:
    return (ratio >= least) & (ratio <= 1 / least)


def top_contrast(pieces: Components, contrast: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the contrast that all but the strongest hundredth of each piece stays below, float [n]."""
    inside = pieces.labels >= 0
    label, value = pieces.labels[inside], contrast[inside]
    order = np.argsort(label.astype(np.int64) * 256 + value, kind="stable")
    at = np.cumsum(pieces.area) - 1 - (pieces.area * 0.01).astype(int)
    return value[order][at].astype(np.float64)
