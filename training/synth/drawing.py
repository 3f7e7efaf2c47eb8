"""What can be written on a synthetic sheet: MNIST's digits, pen strokes, and small pictures drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.synth.habits import with_habits
from training.synth.paper import Field
from training.synth.strokes import Strokes, draw, enlarge, trace, warp

Rng = np.random.Generator
_SHARE: Final = 20 / 28  # of the unit square that a digit takes, as of MNIST's pictures


class Drawing(Protocol):
    """Something that a scene can write on its sheet."""

    def write(self, size: tuple[int, int], height: float, centre: tuple[float, float], pen: float) -> Field:
        """Give its ink on a sheet of a size (width, height), float32 [H, W], 0 to 1.

        `height` is that of the drawing's longer side in pixels, `pen` the stroke's width relative to it, `centre` x, y.
        """


@dataclass(frozen=True)
class Digit:
    """A digit to write: MNIST's pixels uint8 [28, 28], its label 0 to 9, and how it comes out as strokes."""

    pixels: NDArray[np.uint8]
    label: int
    rng: Rng

    def write(self, size: tuple[int, int], height: float, centre: tuple[float, float], pen: float) -> Field:
        """Write it; half of the time the pen is MNIST's own, enlarged; otherwise strokes of one width."""
        if self.rng.random() < 0.65 or pen < 0.05 or pen > 0.2:
            strokes = with_habits(trace(self.pixels), self.label, self.rng)
            return _by_pen(strokes, self.rng, size, height, centre, pen)
        own = enlarge(self.pixels, height / 20, self.rng.uniform(0.3, 0.6))
        scale = height / 20 * 28
        return _pasted(own, size, (centre[0] - scale / 2, centre[1] - scale / 2))


@dataclass(frozen=True)
class PenSign:
    """A sign as strokes of a pen, each int16 [points, 2], y downward; it is turned, slanted and bent a little.

    `label` is 0 to 9 for a digit, which may come out in another habit's shape, and None for anything else.
    """

    strokes: Sequence[NDArray[np.int16]]
    label: int | None
    rng: Rng

    def write(self, size: tuple[int, int], height: float, centre: tuple[float, float], pen: float) -> Field:
        """Write it with a pen of the given width, half of the time under changing pressure."""
        strokes = in_unit_square(self.strokes)
        if self.label is not None and self.rng.random() < 0.5:
            strokes = with_habits(strokes, self.label, self.rng)
        return _by_pen(strokes, self.rng, size, height, centre, pen)


@dataclass(frozen=True)
class SmallPicture:
    """A sign as a small picture, uint8 [H, W], ink bright on black; drawn large with strokes as wide as they are."""

    pixels: NDArray[np.uint8]
    rng: Rng

    def write(self, size: tuple[int, int], height: float, centre: tuple[float, float], pen: float) -> Field:  # noqa: ARG002 - its strokes have their width
        """Enlarge it; where its edge is cut makes the strokes thinner or thicker."""
        factor = height / max(self.pixels.shape)
        rows, columns = (max(2, round((side + 2) * factor)) for side in self.pixels.shape)
        big = Image.fromarray(np.pad(self.pixels, 1)).resize((columns, rows), Image.Resampling.BICUBIC)
        if factor > 3:
            big = big.filter(ImageFilter.GaussianBlur(factor * 0.35))
        soft = np.asarray(big, np.float32) / np.float32(255)
        steep = max(2.0, min(1.5 * factor, 6.0))
        ink = np.clip((soft - self.rng.uniform(0.3, 0.6)) * steep + 0.5, 0, 1).astype(np.float32)
        return _pasted(ink, size, (centre[0] - columns / 2, centre[1] - rows / 2))


def in_unit_square(strokes: Sequence[NDArray[np.int16]]) -> Strokes:
    """Bring pen strokes to the middle of the unit square, the longer side as long as that of MNIST's digits."""
    parts = [np.asarray(stroke, np.float32) for stroke in strokes]
    parts = [np.concatenate([part, part + 1]) if len(part) == 1 else part for part in parts]  # a dot is a short line
    points = np.concatenate(parts)
    low, high = points.min(0), points.max(0)
    unit = (points - (low + high) / 2) / max(float((high - low).max()), 1.0)
    points = (unit * np.float32(_SHARE) + np.float32(0.5)).astype(np.float32, copy=False)
    order = np.arange(len(points))
    within = np.ones(len(points), np.bool_)
    within[np.cumsum([len(part) for part in parts]) - 1] = False  # the last point of a stroke starts no segment
    return Strokes(points, np.stack([order[within], order[within] + 1], 1))


def cut_to_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut a picture, bright ink on black, to its ink, and stretch its contrast to the full range."""
    low, high = int(pixels.min()), int(pixels.max())
    stretched = ((pixels.astype(np.float32) - low) * (255 / max(1, high - low))).astype(np.uint8)
    ink = stretched > 40
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return stretched[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else stretched


def _by_pen(
    strokes: Strokes, rng: Rng, size: tuple[int, int], height: float, centre: tuple[float, float], pen: float
) -> Field:
    warped = warp(strokes, rng)
    scale = height / 20 * 28
    origin = (centre[0] - scale / 2, centre[1] - scale / 2)
    return draw(warped, size, scale, origin, max(1.0, pen * height), pressure=_pressure(len(warped.points), rng))


def _pressure(points: int, rng: Rng) -> NDArray[np.float32] | None:
    """Give each point's share of the pen's width: even, or in waves along the stroke."""
    if rng.random() < 0.5:
        return None
    along = np.arange(points) * rng.uniform(0.05, 0.5) + rng.uniform(0, 2 * np.pi)
    shares: NDArray[np.float32] = (1 + rng.uniform(0.1, 0.45) * np.sin(along)).astype(np.float32)
    return shares


def _pasted(ink: Field, size: tuple[int, int], origin: tuple[float, float]) -> Field:
    sheet = Image.new("F", size)
    sheet.paste(Image.fromarray(ink), (round(origin[0]), round(origin[1])))
    return np.asarray(sheet)
