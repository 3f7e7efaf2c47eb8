"""Digits as strokes: MNIST traced to centre lines, varied, and drawn at any size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from training.synth.thinning import thin

_TRACE: Final = 84  # side of the raster on which a 28 x 28 digit is thinned


@dataclass(frozen=True)
class Strokes:
    """A drawing as line segments.

    Attributes:
        points: float32 [P, 2], x and y; a digit lies in the unit square.
        edges: int [E, 2], indices of the two points of each segment.
    """

    points: NDArray[np.float32]
    edges: NDArray[np.intp]


def trace(digit_u8: NDArray[np.uint8]) -> Strokes:
    """Trace a digit, uint8 [28, 28], 255 ink, to smooth centre lines in the unit square."""
    big = Image.fromarray(digit_u8).resize((_TRACE, _TRACE), Image.Resampling.BICUBIC)
    line = thin(np.asarray(big) > 110)
    rows, columns = np.nonzero(line)
    index = np.full((_TRACE + 2, _TRACE + 2), -1)
    index[rows + 1, columns + 1] = np.arange(rows.size)
    pairs = []
    for row_step, column_step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = index[rows + 1 + row_step, columns + 1 + column_step]
        if row_step and column_step:  # a diagonal beside a corner pixel would draw a triangle
            corner = (index[rows + 1 + row_step, columns + 1] >= 0) | (index[rows + 1, columns + 1 + column_step] >= 0)
            other = np.where(corner, -1, other)
        here = np.flatnonzero(other >= 0)
        pairs.append(np.stack([here, other[here]], 1))
    edges = np.concatenate(pairs)
    points = np.stack([columns, rows], 1).astype(np.float32) + 0.5
    degree = np.bincount(edges.reshape(-1), minlength=len(points))
    for _ in range(6):  # move every inner point of a line towards its two neighbours
        total = np.zeros_like(points)
        np.add.at(total, edges[:, 0], points[edges[:, 1]])
        np.add.at(total, edges[:, 1], points[edges[:, 0]])
        inner = degree == 2
        points[inner] = 0.5 * points[inner] + 0.25 * total[inner]
    return Strokes((points / _TRACE).astype(np.float32), edges)


def polyline(*corners: tuple[float, float], bend: float = 0.0, steps: int = 8) -> Strokes:
    """Draw through corners in the unit square, each leg bulging sideways by `bend` of its length."""
    points: list[NDArray[np.float32]] = []
    for start, end in itertools.pairwise(corners):
        t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[:, None]
        a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
        normal = np.array([a[1] - b[1], b[0] - a[0]], np.float32)
        points.append(a + (b - a) * t + normal * bend * 4 * t * (1 - t))
    joined = np.concatenate([*points, np.asarray([corners[-1]], np.float32)])
    order = np.arange(len(joined) - 1)
    return Strokes(joined, np.stack([order, order + 1], 1))


def join(*parts: Strokes) -> Strokes:
    """Put drawings on one sheet."""
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    edges = np.concatenate([part.edges + start for part, start in zip(parts, starts, strict=True)])
    return Strokes(np.concatenate([part.points for part in parts]), edges)


def warp(strokes: Strokes, rng: np.random.Generator, strength: float = 1.0) -> Strokes:
    """Turn, slant, stretch and bend a drawing a little about the middle of the unit square."""
    angle, shear = rng.normal(0, 0.09) * strength, rng.normal(0, 0.12) * strength
    stretch = np.exp(rng.normal(0, 0.10) * strength)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[stretch, shear], [0, 1 / stretch]])
    centred = strokes.points - 0.5
    waves = rng.normal(0, 0.016 * strength, (2, 2))
    phases = rng.uniform(0, 2 * np.pi, (2, 2))
    sway = np.stack(
        [
            sum(waves[k, j] * np.sin(2 * np.pi * (j + 1) * centred[:, 1 - k] + phases[k, j]) for j in (0, 1))
            for k in (0, 1)
        ],
        1,
    )
    return Strokes((centred @ matrix.T + sway + 0.5).astype(np.float32), strokes.edges)


def draw(
    strokes: Strokes,
    size: tuple[int, int],
    scale: float,
    offset: tuple[float, float],
    width: float,
    oversample: int = 2,
    pressure: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Draw strokes with a round pen.

    Args:
        strokes: the drawing.
        size: (width, height) of the sheet, in pixels.
        scale: pixels for one unit.
        offset: (x, y) of the unit square's origin on the sheet, in pixels.
        width: of the pen, in pixels.
        oversample: 1 gives hard pixel edges, more gives smooth ones.
        pressure: float32 [P], each point's share of the width; None for all of it everywhere.

    Returns:
        float32 [height, width], 0 paper to 1 ink.
    """
    sheet = Image.new("L", (size[0] * oversample, size[1] * oversample))
    pen = ImageDraw.Draw(sheet)
    points = ((strokes.points * scale + np.asarray(offset, np.float32)) * oversample).tolist()
    shares = np.ones(len(points), np.float32) if pressure is None else pressure
    widths = np.maximum(1.0, shares * (width * oversample)).tolist()
    for a, b in strokes.edges.tolist():
        pen.line([*points[a], *points[b]], fill=255, width=max(1, round((widths[a] + widths[b]) / 2)))
    for (x, y), across in zip(points, widths, strict=True):
        if across > 2.5:
            pen.ellipse([x - across / 2, y - across / 2, x + across / 2, y + across / 2], fill=255)
    if oversample > 1:
        sheet = sheet.reduce(oversample)
    return np.asarray(sheet, np.float32) / np.float32(255)


def enlarge(digit_u8: NDArray[np.uint8], scale: float, level: float) -> NDArray[np.float32]:
    """Enlarge a digit with its own pen, uint8 [28, 28] to float32 [28 * scale, 28 * scale]; `level` cuts the edge."""
    side = max(8, round(28 * scale))
    big = Image.fromarray(digit_u8).resize((side, side), Image.Resampling.BICUBIC)
    if scale > 3:
        big = big.filter(ImageFilter.GaussianBlur(scale * 0.35))
    soft = np.asarray(big, np.float32) / np.float32(255)
    ink: NDArray[np.float32] = np.clip((soft - level) * max(2.0, min(scale, 6.0)) + 0.5, 0, 1).astype(np.float32)
    return ink
