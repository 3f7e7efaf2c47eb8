"""Which pieces of ink are the digit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import Components, Mask, Measure, find_components
from service.preprocess.ink import SMALL, Ink, above, reaches_all_sides
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
SURE: Final = 0.8  # rating of the enlarged piece, from which on a photo's dark ink in a narrow window ends the search
THIN: Final = 0.25  # of the window: a pen that is narrower was not mistaken for paper, unless in a crop
SMEAR: Final = 0.45  # of the strongest contrast near a pixel of a photo, below which it is no ink
IN_LINE: Final = 4  # so many alike pieces in line along a side are a binding
ROUNDING: Final = 1 + 1e-9  # factor that keeps a bound above what it bounds, however both are rounded
LOOKS: Final = 8  # pieces that are enlarged and measured
_EDGE_WEIGHT: Final = np.array([1, 0.4, 0.15, 0.1, 0.05])  # by the number of the picture's sides that a piece touches


@dataclass(frozen=True)
class Found:
    """The ink that looks most like a digit, and is ink rather than noise, a shadow or the edge of a table.

    Attributes:
        strength: uint8 [height, width], cut to the digit, 0 paper to 255 full ink, other ink taken out.
        box: top, left, height, width of it in the picture as it was sent, in pixels.
        certain: whether no other reading can be better: as steep as a stroke, or on an even ground all the way round.
    """

    strength: NDArray[np.uint8]
    box: tuple[int, ...]
    certain: bool
    _choice: _Choice
    _main: int
    _known: Mask

    @property
    def score(self) -> float:
        """The rating of this choice, to compare readings of one picture."""
        return self._choice.score(self._main)

    @property
    def digits(self) -> int:
        """How many digits of its size stand side by side, itself counted."""
        return 1 + self._choice.neighbours(self._main, self._known)


def find_digit(ink: Ink, *, side: int, best: float = -1) -> Found | None:
    """Choose the pieces of ink that make up the digit; None when nothing is written or nothing scores above `best`.

    Args:
        ink: one reading of a picture.
        side: the shorter side of the picture as it was sent, in pixels.
        best: the score of the best reading of the picture so far; nothing is measured that cannot pass it.
    """
    mask = above(ink.contrast, ink.low)
    if ink.photo:
        # Ink differs in strength from place to place; what is far fainter than the best near it is smear, shadow, grid.
        reach = max(mask.shape) // 8 | 1
        strongest = cv2.dilate(ink.contrast, np.ones((reach, reach), np.uint8))
        mask &= ink.contrast > cv2.convertScaleAbs(strongest, alpha=SMEAR)
    scale = side / min(mask.shape)
    bits = mask.view(np.uint8)
    if best >= 0 and _most(cv2.countNonZero(bits) * max(cv2.boundingRect(bits)[2:]), ink, scale) <= best:
        return None
    pieces = find_components(mask, ink.contrast)
    if pieces is None or (best >= 0 and _most(float((pieces.area * pieces.extent).max()), ink, scale) <= best):
        return None
    mask, lines = without_rulings(mask, ink.contrast, clean=not ink.photo, tight=ink.tight, crop=side < CROP)
    if cv2.hasNonZero(lines.view(np.uint8)):
        pieces = find_components(mask, ink.contrast)
        if pieces is None:
            return None
    return _Choice(ink, pieces, lines, scale).found(best)


def _most(size: float, ink: Ink, scale: float) -> float:
    """Give a score that no piece can pass whose area times extent is at most `size`, nor what a line leaves of it."""
    most = math.sqrt(size * cv2.minMaxLoc(ink.contrast)[1])
    factor = (BOARD if ink.inverted else 1) * (CLOUDY if _is_wide(ink) else 1) if ink.photo else 1
    return most * scale**1.5 * factor * ROUNDING


def _is_wide(ink: Ink) -> bool:
    return ink.window > max(ink.contrast.shape) / 6


class _Choice:
    """The choice among the pieces of one reading; enlarges and measures only those that may be chosen."""

    def __init__(self, ink: Ink, pieces: Components, lines: Mask, scale: float) -> None:
        self.ink = ink
        self.pieces = pieces
        self.lines = lines
        self.scale = scale  # pixels as sent in one of the reading's
        self.height, self.width = ink.contrast.shape
        self.alone = len(pieces) == 1 and not ink.photo  # nothing to choose
        self._outlines: dict[int, Outline] = {}
        self._ratings: dict[int, float] = {}

    def found(self, best: float) -> Found | None:
        """Return the digit; None where nothing is written, or a picture that was read as tight is not."""
        pieces, ink = self.pieces, self.ink
        main = self._main(best)
        if main is None or float(pieces.strength[main]) < ink.high or self._is_shadow(main):
            return None
        stumps = self._stumps(main)
        chosen = self._parts(main) & ~stumps
        inside = rows, columns = pieces.union(chosen)
        top, left, height, width = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        if ink.tight and self.scale >= 1 and not reaches_all_sides((left, top, width, height), ink.contrast.shape):
            return None  # the ink at the sides was something else, and this no picture cut out along a digit
        # A photo is smoothed before, which makes a speck larger.
        least = (LEAST + (2 * self.scale if ink.photo else 0)) if self.scale >= 1 else LEAST_OF_SMALL
        if max(height, width) * self.scale < least or self._is_left_of_line(main):
            return None
        if ink.photo:
            thin = self.outline(main).pen < THIN * ink.window and max(self.height, self.width) * self.scale >= SMALL
            sure = thin and not self.touched[main] and self._near(main) > SURE
        else:
            sure = ink.bordered or self.outline(main).steepness > SHARP
        return Found(
            ink.contrast[inside] * pieces.mask(chosen, inside).view(np.uint8),
            tuple(round(value * self.scale) for value in (top, left, height, width)),
            sure,
            self,
            main,
            stumps | chosen,
        )

    def score(self, place: int) -> float:
        """Rate a piece: large, strong, central, sharp, not at the edge; in a photo not a hole, table or cloud."""
        return float(self._rough[place]) * (1 if self.alone else self._near(place))

    def outline(self, place: int) -> Outline:
        """Enlarge and measure a piece, once."""
        if place not in self._outlines:
            self._outlines[place] = trace(self.pieces, self.ink, place)
        return self._outlines[place]

    @cached_property
    def touched(self) -> NDArray[np.intp]:
        """How many of the picture's four sides each piece lies on."""
        pieces = self.pieces
        touched = (pieces.top == 0).astype(np.intp)
        touched += pieces.left == 0
        touched += pieces.bottom == self.height - 1
        touched += pieces.right == self.width - 1
        return touched

    @cached_property
    def in_line(self) -> Mask:
        """The holes and wires of a binding: four or more alike, in line along a side of the picture."""
        pieces = self.pieces
        if len(pieces) < IN_LINE:
            return np.zeros(len(pieces), bool)
        row, column = (pieces.top + pieces.bottom) / 2, (pieces.left + pieces.right) / 2
        near_rows = np.minimum(row, self.height - row) < 0.15 * self.height
        near_columns = np.minimum(column, self.width - column) < 0.15 * self.width
        if not (near_rows.any() or near_columns.any()):
            return np.zeros(len(pieces), bool)
        alike = _like(pieces.height) & _like(pieces.width)
        across = (alike & (np.abs(row[:, None] - row) < 0.5 * pieces.height)).sum(1) >= IN_LINE
        along = (alike & (np.abs(column[:, None] - column) < 0.5 * pieces.width)).sum(1) >= IN_LINE
        in_line: Mask = (near_rows & across) | (near_columns & along)
        return in_line

    @cached_property
    def _central(self) -> Measure:
        """How near to the picture's middle each piece lies, 0 to 1."""
        row = (self.pieces.top + self.pieces.bottom) / 2 / self.height - 0.5
        column = (self.pieces.left + self.pieces.right) / 2 / self.width - 0.5
        central: Measure = np.exp(-2 * (row**2 + column**2))
        return central

    @cached_property
    def _rough(self) -> Measure:
        """Rate all pieces coarsely, without enlarging them."""
        pieces = self.pieces
        rough: Measure = np.sqrt(pieces.mass * pieces.extent) * self._central * _EDGE_WEIGHT[self.touched]
        rough = rough * np.sqrt(pieces.strength / max(1.0, float(pieces.strength.max()))) * self.scale**1.5
        if self.ink.photo:
            rough = rough * np.where(self.in_line, DOUBT, 1) * (BOARD if self.ink.inverted else 1)
            rough = rough * np.where(self.ink.inverted & (self.touched > 0), DOUBT, 1)
            rough = rough * (CLOUDY if _is_wide(self.ink) else 1)
        return rough

    def _most(self) -> float:
        """Give a score that no piece can pass, from areas and places alone."""
        weight = self._central * _EDGE_WEIGHT[self.touched]
        return _most(float((self.pieces.area * self.pieces.extent * weight**2).max()), self.ink, self.scale)

    def _main(self, most: float) -> int | None:
        """Choose the piece with the best score; None if that is not above `most`."""
        if most >= 0 and self._most() <= most:
            return None
        if self.alone:
            return 0 if most < 0 or self.score(0) > most else None
        best = None
        for place in np.argsort(-self._rough)[:LOOKS].tolist():
            rough = float(self._rough[place])
            if rough <= most:
                break  # measuring only lowers a rating
            if rough * self._steep(place) > most and (score := self.score(place)) > most:
                best, most = place, score
        return best

    def _steep(self, place: int) -> float:
        return min(1.0, self.outline(place).steepness) ** 3

    def _near(self, place: int) -> float:
        """Rate one piece by its enlarged outline, 0 to 1, once."""
        if place not in self._ratings:
            factor = self._steep(place)
            if self.ink.photo:
                pieces = self.pieces
                doubts = contact(pieces, place) > 0.6, self.outline(place).pen > 0.45 * self.ink.window
                factor *= DOUBT ** sum((*doubts, not stands_out(pieces, self.ink, place)))
                if self._is_shadow(place):
                    factor *= DOUBT**4
            self._ratings[place] = factor
        return self._ratings[place]

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

    def neighbours(self, main: int, known: Mask) -> int:
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
        if int(self.pieces.extent[main]) < LEFT * max(self.height, self.width):
            line = float(np.percentile(self.ink.contrast[self.lines], 90))
            if float(self.pieces.strength[main]) < STRONGER * line:
                return True
        return self._continues_line(main)

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
        hanging = np.zeros(len(self.pieces), bool)
        if not self.ink.photo and len(self.pieces) > 1 and cv2.hasNonZero(self.lines.view(np.uint8)):
            near = cv2.dilate(self.lines.view(np.uint8), np.ones((5, 5), np.uint8)).view(np.bool_)
            beside = np.zeros(1 << 16, bool)
            beside[self.pieces.labels[near]] = True
            hanging = beside[self.pieces.number]
            hanging[main] = False
        return hanging


def _like(extent: NDArray[np.int32]) -> Mask:
    """Compare extents in pairs, bool [n, n]: within a factor of 1.5."""
    logarithm = np.log(extent)
    like: Mask = np.abs(logarithm[:, None] - logarithm) < 0.4
    return like


def _within(ratio: Measure, least: float) -> Mask:
    within: Mask = (ratio >= least) & (ratio <= 1 / least)
    return within
