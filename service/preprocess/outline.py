"""One piece of ink, measured enlarged: how steep its outline is, how wide its pen, how much of it lies on the edge."""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np

from service.preprocess.components import Components
from service.preprocess.ink import Grey, Ink, median

SEEN: Final = 40  # pixels: pieces are looked at this large, so that a digit's blur does not depend on its size
QUANTILE: Final = 0.25  # a quarter of the outline may be less steep than what counts: where strokes meet or end
_CROSS: Final = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_WINDOW: Final = np.ones((5, 5), np.uint8)


class Outline(NamedTuple):
    """Measures of one piece.

    Attributes:
        steepness: rise of the contrast across the outline over the strength, 0 to about 1.25.
        pen: stroke width in pixels of the picture, as twice the area over the length of the outline.
    """

    steepness: float
    pen: float


def trace(pieces: Components, ink: Ink, place: int) -> Outline:
    """Measure the piece in a place.

    The paper that is guessed for a photo has steps of its own; what is steep there is steep in the picture itself.
    """
    rows, columns = pieces.inside(place)
    rows = slice(max(0, rows.start - 2), rows.stop + 2)
    columns = slice(max(0, columns.start - 2), columns.stop + 2)
    seen = ink.contrast[rows, columns] if ink.grey is None else ink.grey[rows, columns]
    step = seen if ink.paper is None else cv2.absdiff(seen, ink.paper[rows, columns])
    shape = pieces.shape(place, (rows, columns)).view(np.uint8)
    own = step * shape
    around = cv2.countNonZero(shape) - cv2.countNonZero(cv2.erode(shape, _CROSS))
    scale = SEEN / int(pieces.extent[place])
    if scale < 1:
        size = (max(1, round(own.shape[1] * scale)), max(1, round(own.shape[0] * scale)))
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
        own = cv2.resize(own, size, interpolation=cv2.INTER_AREA)
    strength = float(own.max())
    mask = (own > strength / 2).view(np.uint8) if strength > 0 else np.ones_like(own)
    outline = cv2.subtract(mask, cv2.erode(mask, _CROSS, borderType=cv2.BORDER_CONSTANT, borderValue=(1.0,)))
    rise = cv2.subtract(cv2.dilate(seen, _WINDOW), cv2.erode(seen, _WINDOW))[outline.view(np.bool_)]
    # A vertical or horizontal step seen through a window of 5 pixels rises fully on 4 of 5; hence the factor.
    rank = int(QUANTILE * len(rise))
    steepness = 1.25 * float(np.partition(rise, rank)[rank]) / max(1.0, strength) if len(rise) else 0.0
    return Outline(steepness, 2 * float(pieces.area[place]) / max(1, around))


def contact(pieces: Components, place: int) -> float:
    """Tell how much of its length a piece leans on a side of the picture, as table edges do, 0 to 1."""
    labels, number = pieces.labels, np.uint16(pieces.number[place])
    rows, columns = pieces.inside(place)
    wide, high = int(pieces.width[place]), int(pieces.height[place])
    shares = [0.0]
    if rows.start == 0:
        shares.append(np.count_nonzero(labels[0] == number) / wide)
    if rows.stop == labels.shape[0]:
        shares.append(np.count_nonzero(labels[-1] == number) / wide)
    if columns.start == 0:
        shares.append(np.count_nonzero(labels[:, 0] == number) / high)
    if columns.stop == labels.shape[1]:
        shares.append(np.count_nonzero(labels[:, -1] == number) / high)
    return max(shares)


def stands_out(pieces: Components, ink: Ink, place: int) -> bool:
    """Tell whether a piece of a photo differs from what surrounds it, rather than its paper from both.

    Between light strokes on a dark board lies what looks like dark ink: the board. Around the strokes lies the same.
    """
    if ink.grey is None or ink.paper is None:
        return True
    rows, columns = pieces.inside(place)
    around = _frame(ink.grey, rows, columns, max(2, int(pieces.extent[place]) // 6))
    if not len(around):
        return True
    mask = pieces.shape(place, (rows, columns)).view(np.uint8)
    level = cv2.mean(ink.grey[rows, columns], mask)[0]
    paper = cv2.mean(ink.paper[rows, columns], mask)[0]
    ground = median(around)
    return abs(ground - paper) < abs(ground - level)


def _frame(grey: Grey, rows: slice, columns: slice, away: int) -> Grey:
    """Give the pixels on a frame that lies `away` pixels around a box, as far as it lies in the picture."""
    top, bottom = rows.start - away, rows.stop - 1 + away
    left, right = columns.start - away, columns.stop - 1 + away
    height, width = grey.shape
    across, along = slice(max(0, left), right + 1), slice(max(0, top), bottom + 1)
    parts = [grey[row, across] for row in (top, bottom) if 0 <= row < height]
    parts += [grey[along, column] for column in (left, right) if 0 <= column < width]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)
