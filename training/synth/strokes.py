"""Digits as strokes: MNIST traced to centre lines, the shapes that MNIST lacks, and drawing them at any size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from service.preprocess.thinning import thin

_TRACE = 84  # side of the raster on which a 28 x 28 digit is thinned


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


def european_one(rng: np.random.Generator) -> Strokes:
    """Draw a 1 as Europeans do: a stem with a long up-stroke, at times a foot."""
    top = (0.55 + rng.uniform(-0.08, 0.12), 0.16)
    bottom = (top[0] + rng.normal(-0.04, 0.06), 0.84)
    angle = rng.uniform(0.35, 1.15)  # between up-stroke and stem, radians
    length = rng.uniform(0.16, 0.52) * (1 if angle < 0.9 else 0.8)
    tip = (top[0] - length * np.sin(angle), top[1] + length * np.cos(angle))
    one = polyline(tip, top, bottom, bend=rng.normal(0, 0.04))
    if rng.random() < 0.3:
        half, tilt = rng.uniform(0.1, 0.25), rng.normal(0, 0.02)
        foot = polyline(
            (bottom[0] - half, bottom[1] + tilt), (bottom[0] + half * rng.uniform(0.7, 1.1), bottom[1] - tilt)
        )
        one = join(one, foot)
    return one


def barred_seven(seven: Strokes, rng: np.random.Generator) -> Strokes:
    """Put a bar across the stem of a traced 7, at its middle third."""
    top, bottom = seven.points[:, 1].min(), seven.points[:, 1].max()
    y = top + (bottom - top) * rng.uniform(0.42, 0.65)
    near = np.abs(seven.points[:, 1] - y) < 0.02
    if not near.any():
        return seven
    x = float(seven.points[near, 0].mean())
    half, tilt = rng.uniform(0.09, 0.22), rng.normal(-0.02, 0.04)
    shift = rng.normal(0, 0.03)
    left, right = (x + shift - half, float(y - tilt)), (x + shift + half, float(y + tilt))
    return join(seven, polyline(left, right, bend=rng.normal(0, 0.05)))


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
) -> NDArray[np.float32]:
    """Draw strokes with a round pen.

    Args:
        strokes: the drawing.
        size: (width, height) of the sheet, in pixels.
        scale: pixels for one unit.
        offset: (x, y) of the unit square's origin on the sheet, in pixels.
        width: of the pen, in pixels.
        oversample: 1 gives hard pixel edges, more gives smooth ones.

    Returns:
        float32 [height, width], 0 paper to 1 ink.
    """
    sheet = Image.new("L", (size[0] * oversample, size[1] * oversample))
    pen = ImageDraw.Draw(sheet)
    points = (strokes.points * scale + np.asarray(offset, np.float32)) * oversample
    line, radius = max(1, round(width * oversample)), width * oversample / 2
    for a, b in strokes.edges:
        pen.line([*points[a].tolist(), *points[b].tolist()], fill=255, width=line)
    if line > 2:
        for x, y in points.tolist():
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
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
