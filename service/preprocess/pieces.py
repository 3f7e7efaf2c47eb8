"""Pieces of ink, measured: how strong, how sharp, with which pen, and what at the picture's edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.preprocess.components import Components, find_components
from service.preprocess.window import highest, lowest

Mask = NDArray[np.bool_]
Measure = NDArray[np.float64]
IN_LINE = 4  # so many alike pieces in line along a side are a binding
MANY = 400  # with more pieces than this the picture is noise, and pairs are not worth comparing


@dataclass(frozen=True)
class Pieces:
    """Connected pieces of ink with their measures, each [n].

    Attributes:
        found: their labels and boxes.
        mass: sum of the contrast.
        strength: contrast that all but the strongest hundredth stays below, 0 to 255.
        steepness: rise of the contrast across the outline over the strength, 0 to about 1.25; 5 pixels wide.
        pen: stroke width in pixels, as twice the area over the length of the outline.
        touched: how many of the picture's four sides it lies on.
    """

    found: Components
    mass: Measure
    strength: Measure
    steepness: Measure
    pen: Measure
    touched: NDArray[np.intp]

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self.found)

    @property
    def extent(self) -> NDArray[np.intp]:
        """Longer sides of the boxes, in pixels."""
        return np.maximum(self.found.height, self.found.width)

    def contact(self) -> Measure:
        """Tell how much of its length each piece leans on a side of the picture, as table edges do, 0 to 1."""
        labels, wide, high = self.found.labels, self.found.width, self.found.height
        sides = ((labels[0], wide), (labels[-1], wide), (labels[:, 0], high), (labels[:, -1], high))
        shares = [np.bincount(line[line >= 0], minlength=len(self)) / extent for line, extent in sides]
        most: Measure = np.max(shares, axis=0)
        return most

    def in_line(self) -> Mask:
        """Find the holes and wires of a binding: four or more alike, in line along a side of the picture."""
        if not IN_LINE <= len(self) <= MANY:
            return np.zeros(len(self), bool)
        found, (height, width) = self.found, self.found.labels.shape
        row, column = (found.top + found.bottom) / 2, (found.left + found.right) / 2
        alike = _like(found.height) & _like(found.width)
        across = (alike & (np.abs(row[:, None] - row) < 0.5 * found.height)).sum(1) >= IN_LINE
        along = (alike & (np.abs(column[:, None] - column) < 0.5 * found.width)).sum(1) >= IN_LINE
        near_rows = np.minimum(row, height - row) < 0.15 * height
        near_columns = np.minimum(column, width - column) < 0.15 * width
        in_line: Mask = (near_rows & across) | (near_columns & along)
        return in_line


def measure(mask: Mask, contrast: NDArray[np.uint8]) -> Pieces:
    """Find the pieces of a mask, specks left out, and measure them on their contrast, both [height, width]."""
    found = _without_specks(find_components(mask))
    total = len(found)
    inside = found.labels >= 0
    mass: Measure = np.bincount(found.labels[inside], contrast[inside], total).astype(np.float64)
    strength = strengths(found, contrast)
    outline = _outlines(found.labels)
    label = found.labels[outline]
    length = np.maximum(np.bincount(label, minlength=total), 1)
    rise = highest(highest(contrast, 5, 0), 5, 1) - lowest(lowest(contrast, 5, 0), 5, 1)
    # A vertical or horizontal step seen through a window of 5 pixels rises fully on 4 of 5; hence the factor.
    steepness: Measure = (
        1.25 * np.bincount(label, rise[outline].astype(np.float64), total) / length / np.maximum(strength, 1)
    )
    height, width = mask.shape
    sides = (found.top == 0, found.left == 0, found.bottom == height - 1, found.right == width - 1)
    touched: NDArray[np.intp] = np.stack(sides).sum(0, dtype=np.intp)
    return Pieces(found, mass, strength, steepness, 2 * found.area / length, touched)


def strengths(found: Components, contrast: NDArray[np.uint8]) -> Measure:
    """Give the contrast that all but the strongest hundredth of each piece stays below."""
    inside = found.labels >= 0
    label, value = found.labels[inside], contrast[inside]
    order = np.argsort(label.astype(np.int64) * 256 + value, kind="stable")
    at = np.cumsum(found.area) - 1 - (found.area * 0.01).astype(int)
    strongest: Measure = value[order][at].astype(np.float64)
    return strongest


def _without_specks(found: Components) -> Components:
    """Leave out what is far smaller than the largest piece: noise."""
    if not len(found):
        return found
    extent = np.maximum(found.height, found.width)
    keep = extent >= max(2, 0.05 * int(extent.max()))
    number = np.append(np.where(keep, np.cumsum(keep) - 1, -1), -1).astype(np.int32)
    boxes = (found.area, found.top, found.bottom, found.left, found.right)
    return Components(number[found.labels], *(values[keep] for values in boxes))


def _outlines(labels: NDArray[np.int32]) -> Mask:
    """Find the pixels of the pieces that have the background on one of four sides."""
    wide = np.pad(labels, 1, mode="edge")
    bare = (wide[:-2, 1:-1] < 0) | (wide[2:, 1:-1] < 0) | (wide[1:-1, :-2] < 0) | (wide[1:-1, 2:] < 0)
    outline: Mask = (labels >= 0) & bare
    return outline


def _like(extent: NDArray[np.intp]) -> Mask:
    """Compare extents in pairs, bool [n, n]: within a factor of 1.5."""
    logarithm = np.log(extent)
    like: Mask = np.abs(logarithm[:, None] - logarithm) < 0.4
    return like
