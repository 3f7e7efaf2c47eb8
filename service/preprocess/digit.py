"""Which pieces of ink are the digit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import Components, Mask, Measure, find_components
from service.preprocess.ink import SMALL, Ink, reaches_all_sides
from service.preprocess.outline import Outline, contact, stands_out, trace
from service.preprocess.rulings import CROP, without_rulings

SHARP: Final = 0.6  # an outline's steepness: strokes lie above it even when blurred, clouds and shadows below
SHADOW: Final = 0.5  # below it, in a photo, nothing but a shadow
LEAST: Final = 7  # pixels of the picture as it was sent; what is shorter is a speck or left of a line
LEAST_OF_SMALL: Final = 4  # the same for a picture that is enlarged: Swiss digits of 16 x 16 pixels are 4 to 10 high
DOUBT: Final = 0.2  # factor on the score for each sign that a piece belongs to the world around the digit
BOARD: Final = 0.6  # factor on the score of light ink in a photo: boards are rarer than a lamp's glow
CLOUDY: Final = 0.5  # factor on the score in a wide window, which takes clouds of light for ink too
LEFT: Final = 0.15  # of the longer side: what is larger is not left of a line
STRONGER: Final = 1.2  # times as strong as a line is what was written, if it is small
SURE: Final = 0.8  # rating from near, from which on a photo's dark ink in a narrow window ends the search
THIN: Final = 0.25  # of the window: a pen that is narrower was not mistaken for paper, unless in a crop
SMEAR: Final = 0.45  # of the strongest contrast near a pixel of a photo, below which it is no ink
IN_LINE: Final = 4  # so many alike pieces in line along a side are a binding
LOOKS: Final = 8  # pieces that are looked at from near
_EDGE_WEIGHT: Final = np.array([1, 0.4, 0.15, 0.1, 0.05])  # by the number of the picture's sides that a piece touches


@dataclass(frozen=True)
class Found:
    """The ink that looks most like a digit.

    Attributes:
        strength: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, other ink taken out.
        box: top, left, height, width of it in the picture as it was sent, in pixels.
        score: how much it looks like the digit that was meant, to compare readings of one picture.
        certain: whether no other reading can be better: as steep as a stroke, or on an even ground all the way round.
        written: whether it is ink at all, rather than noise, a shadow or the edge of a table.
        digits: how many digits of its size stand side by side, itself counted.
    """

    strength: NDArray[np.uint8]
    box: tuple[int, ...]
    score: float
    certain: bool
    written: bool
    digits: int


def find_digit(ink: Ink, *, side: int) -> Found | None:
    """Choose the pieces of ink that make up the digit; None when there is no ink.

    Args:
        ink: one reading of a picture.
        side: the shorter side of the picture as it was sent, in pixels.
    """
    mask = ink.contrast > ink.low
    if ink.photo:
        # Ink differs in strength from place to place; what is far fainter than the best near it is smear, shadow, grid.
        reach = max(mask.shape) // 8 | 1
        best = cv2.dilate(ink.contrast, np.ones((reach, reach), np.uint8))
        mask &= ink.contrast > cv2.convertScaleAbs(best, alpha=SMEAR)
    mask, lines = without_rulings(mask, ink.contrast, clean=not ink.photo, tight=ink.tight, crop=side < CROP)
    pieces = find_components(mask, ink.contrast)
    if pieces is None:
        return None
    return _Choice(ink, pieces, lines, side / min(mask.shape)).found()


class _Choice:
    """The choice among the pieces of one reading; looks from near only at what may matter."""

    def __init__(self, ink: Ink, pieces: Components, lines: Mask, scale: float) -> None:
        self.ink = ink
        self.pieces = pieces
        self.lines = lines
        self.scale = scale  # pixels as sent in one of the reading's
        self.height, self.width = ink.contrast.shape
        self._outlines: dict[int, Outline] = {}

    def found(self) -> Found | None:
        """Return the digit, or None where a picture that was read as tight is not."""
        pieces, ink = self.pieces, self.ink
        main, score = self._main()
        stumps = self._stumps(main)
        chosen = self._parts(main) & ~stumps
        digit = pieces.mask(chosen)
        if ink.tight and not reaches_all_sides(digit) and self.scale >= 1:
            return None  # the ink at the sides was something else, and this no picture cut out along a digit
        shadow = self._is_shadow(main)
        left, top, width, height = cv2.boundingRect(digit.view(np.uint8))
        inside = slice(top, top + height), slice(left, left + width)
        # A photo is smoothed before, which makes a speck larger.
        least = (LEAST + (2 * self.scale if ink.photo else 0)) if self.scale >= 1 else LEAST_OF_SMALL
        remains = max(height, width) * self.scale < least or self._is_left_of_line(main)
        written = float(pieces.strength[main]) >= ink.high and not shadow and not remains
        if ink.photo:
            thin = self.outline(main).pen < THIN * ink.window and max(self.height, self.width) * self.scale >= SMALL
            sure = self._near(main) > SURE and thin and not self.touched[main]
        else:
            sure = ink.bordered or self.outline(main).steepness > SHARP
        return Found(
            np.where(digit[inside], ink.contrast[inside], np.uint8(0)),
            tuple(round(value * self.scale) for value in (top, left, height, width)),
            score,
            certain=written and sure,
            written=written,
            digits=1 + self._neighbours(main, stumps | chosen),
        )

    def outline(self, place: int) -> Outline:
        """Look at a piece from near, once."""
        if place not in self._outlines:
            self._outlines[place] = trace(self.pieces, self.ink, place)
        return self._outlines[place]

    @cached_property
    def touched(self) -> NDArray[np.intp]:
        """How many of the picture's four sides each piece lies on."""
        pieces = self.pieces
        sides = (pieces.top == 0, pieces.left == 0, pieces.bottom == self.height - 1, pieces.right == self.width - 1)
        return np.stack(sides).sum(0, dtype=np.intp)

    @cached_property
    def in_line(self) -> Mask:
        """The holes and wires of a binding: four or more alike, in line along a side of the picture."""
        pieces = self.pieces
        if len(pieces) < IN_LINE:
            return np.zeros(len(pieces), bool)
        row, column = (pieces.top + pieces.bottom) / 2, (pieces.left + pieces.right) / 2
        alike = _like(pieces.height) & _like(pieces.width)
        across = (alike & (np.abs(row[:, None] - row) < 0.5 * pieces.height)).sum(1) >= IN_LINE
        along = (alike & (np.abs(column[:, None] - column) < 0.5 * pieces.width)).sum(1) >= IN_LINE
        near_rows = np.minimum(row, self.height - row) < 0.15 * self.height
        near_columns = np.minimum(column, self.width - column) < 0.15 * self.width
        in_line: Mask = (near_rows & across) | (near_columns & along)
        return in_line

    def _main(self) -> tuple[int, float]:
        """Rate pieces: large, strong, sharp, central, off the edge; in a photo no hole, table, cloud or board."""
        pieces = self.pieces
        row = (pieces.top + pieces.bottom) / 2 / self.height - 0.5
        column = (pieces.left + pieces.right) / 2 / self.width - 0.5
        rough = np.sqrt(pieces.mass * pieces.extent) * np.exp(-2 * (row**2 + column**2)) * _EDGE_WEIGHT[self.touched]
        rough = rough * np.sqrt(pieces.strength / max(1.0, float(pieces.strength.max()))) * self.scale**1.5
        if self.ink.photo:
            rough = rough * np.where(self.in_line, DOUBT, 1) * (BOARD if self.ink.inverted else 1)
            rough = rough * np.where(self.ink.inverted & (self.touched > 0), DOUBT, 1)
            rough = rough * (CLOUDY if self.ink.window > max(self.height, self.width) / 6 else 1)
        if not self.ink.photo and len(pieces) == 1:
            return 0, float(rough[0])
        best, most = 0, -1.0
        for place in np.argsort(-rough)[:LOOKS].tolist():
            if float(rough[place]) <= most:
                break  # what is seen from near only lowers a rating
            score = float(rough[place]) * self._near(place)
            if score > most:
                best, most = place, score
        return best, most

    def _near(self, place: int) -> float:
        """Rate one piece by what is seen from near, 0 to 1."""
        outline = self.outline(place)
        factor = min(1.0, outline.steepness) ** 3
        if self.ink.photo:
            pieces = self.pieces
            doubts = contact(pieces, place) > 0.6, outline.pen > 0.45 * self.ink.window
            factor *= DOUBT ** sum((*doubts, not stands_out(pieces, self.ink, place)))
            if self._is_shadow(place):
                factor *= DOUBT**4
        return factor

    def _is_shadow(self, place: int) -> bool:
        if not self.ink.photo:
            return False
        band = self.ink.inverted and self.touched[place] > 1
        return band or self.outline(place).steepness < SHADOW or contact(self.pieces, place) > 0.9

    def _parts(self, main: int) -> Mask:
        """Tell which pieces belong to the same digit as the main one: near, not tiny, as strong and as sharp."""
        pieces, size = self.pieces, int(self.pieces.extent[main])
        if len(pieces) == 1:
            return np.ones(1, bool)
        reach = 0.2 * size
        gap_x = np.maximum(pieces.left - pieces.right[main], pieces.left[main] - pieces.right)
        gap_y = np.maximum(pieces.top - pieces.bottom[main], pieces.top[main] - pieces.bottom)
        chosen: Mask = (gap_x < reach) & (gap_y < reach) & (pieces.extent > 0.12 * size) & (pieces.extent < 1.5 * size)
        chosen &= (pieces.strength > 0.5 * pieces.strength[main]) & (self.touched <= self.touched[main])
        chosen &= ~self.in_line
        least = 0.6 * self.outline(main).steepness
        for place in np.flatnonzero(chosen)[:LOOKS].tolist():
            chosen[place] = place == main or self.outline(place).steepness > least
        chosen[main] = True
        return chosen

    def _neighbours(self, main: int, known: Mask) -> int:
        """Count further digits: as tall, as strong, drawn with a like pen, beside the main one."""
        pieces = self.pieces
        if len(pieces) == 1:
            return 0
        high, wide = pieces.height, pieces.width
        overlap_y = np.minimum(pieces.bottom, pieces.bottom[main]) - np.maximum(pieces.top, pieces.top[main]) + 1
        overlap_x = np.minimum(pieces.right, pieces.right[main]) - np.maximum(pieces.left, pieces.left[main]) + 1
        level = overlap_y > 0.6 * np.minimum(high, high[main])
        apart = (overlap_x < 0.1 * np.minimum(wide, wide[main])) & (-overlap_x < 2 * high[main])
        alike: Mask = _within(high / high[main], 0.6) & _within(pieces.strength / pieces.strength[main], 0.6)
        alike &= level & apart & (self.touched <= self.touched[main]) & ~known
        own = self.outline(main)
        least = max(SHARP, 0.6 * own.steepness) if self.ink.photo else 0.6 * own.steepness
        others = [self.outline(place) for place in np.flatnonzero(alike)[:LOOKS].tolist()]
        return sum(other.steepness > least and 0.33 <= other.pen / own.pen <= 1 / 0.33 for other in others)

    def _is_left_of_line(self, main: int) -> bool:
        """Tell whether the main piece is what a line has left: no stronger and small, or a bar that runs on from it."""
        if self.scale < 1 or not cv2.hasNonZero(self.lines.view(np.uint8)):
            return False
        pieces = self.pieces
        line = float(np.percentile(self.ink.contrast[self.lines], 90))
        small = int(pieces.extent[main]) < LEFT * max(self.height, self.width)
        return (small and float(pieces.strength[main]) < STRONGER * line) or self._continues_line(main)

    def _continues_line(self, main: int) -> bool:
        """Tell whether the main piece is a bar as thin as a line that went and that runs on from it."""
        rows, columns = self.pieces.inside(main)
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if min(high, wide) > 0.25 * max(high, wide):
            return False
        lines = self.lines
        if wide > high:
            lines, rows, columns = lines.T, columns, rows
        length, thickness = rows.stop - rows.start, columns.stop - columns.start
        around = lines[:, max(0, columns.start - 1) : columns.stop + 1].sum(axis=1)
        sides = around[max(0, rows.start - length) : rows.start], around[rows.stop : rows.stop + length]
        return any(
            len(side) > 3 and np.mean(side > 0) > 0.6 and thickness <= 1.5 * np.median(side[side > 0]) + 2
            for side in sides
        )

    def _stumps(self, main: int) -> Mask:
        """Find what is left of a form's lines: pieces other than the main one that hang on a line which went."""
        hanging = np.zeros(len(self.pieces) + 1, bool)
        if not self.ink.photo and len(self.pieces) > 1 and cv2.hasNonZero(self.lines.view(np.uint8)):
            near = cv2.dilate(self.lines.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_)
            hanging[self.pieces.labels[near]] = True
            hanging[main + 1] = False
        return hanging[1:]


def _like(extent: NDArray[np.int32]) -> Mask:
    """Compare extents in pairs, bool [n, n]: within a factor of 1.5."""
    logarithm = np.log(extent)
    like: Mask = np.abs(logarithm[:, None] - logarithm) < 0.4
    return like


def _within(ratio: Measure, least: float) -> Mask:
    within: Mask = (ratio >= least) & (ratio <= 1 / least)
    return within
