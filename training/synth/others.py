"""Pictures that show no single digit: empty sheets, noise, letters, faces, logos and several digits at once."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.synth import paper
from training.synth.drawing import Drawing
from training.synth.scenes import PENS, Rng, letter
from training.synth.strokes import Strokes, draw, join, polyline, warp

LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXYabdefhkmnprtuwxy#&@%?+=*"


def empty(rng: Rng, *, kind: str) -> paper.Sheet:
    """Photograph or scan a sheet with nothing written on it: plain, lined or grid."""
    long = int(rng.integers(28, 600))
    width, height = long, max(20, int(long * rng.uniform(0.6, 1.0)))
    sheet = paper.lit(width, height, rng)
    if rng.random() < 0.25:
        level = float(rng.random())
        sheet = paper.even(width, height, (level, level, level))
    elif rng.random() < 0.4:
        paper.shadow(sheet, rng, hard=bool(rng.random() < 0.5))
    if kind != "plain":
        paper.rulings(sheet, rng, grid=kind == "grid", pitch=max(6.0, long * rng.uniform(0.04, 0.3)))
    return sheet


def noise(rng: Rng) -> NDArray[np.uint8]:
    """Give noise of a random grain and contrast, uint8 [H, W]."""
    side = int(rng.integers(16, 400))
    cells = int(rng.integers(max(4, side // 12), side + 1))
    hills = paper.smooth_field(side, side, cells, rng)
    pixels: NDArray[np.uint8] = np.clip(rng.uniform(40, 215) + hills * rng.uniform(5, 90), 0, 255).astype(np.uint8)
    return pixels


def sheet_of(rng: Rng, ink: paper.Field) -> paper.Sheet:
    """Put ink, float32 [H, W], on a canvas of either polarity or on paper."""
    height, width = ink.shape
    sheet = paper.lit(width, height, rng) if rng.random() < 0.5 else paper.even(width, height)
    colour = PENS[rng.integers(len(PENS))]
    if rng.random() < 0.25:
        sheet, colour = paper.even(width, height, (0.0, 0.0, 0.0)), (1.0, 1.0, 1.0)
    sheet.layers.append((ink * rng.uniform(0.7, 1), colour))
    return sheet


def letters(rng: Rng) -> paper.Sheet:
    """Print a letter that looks like no digit, or a word."""
    side = int(rng.integers(60, 400))
    text = "".join(rng.choice(list(LETTERS), 1 if rng.random() < 0.7 else int(rng.integers(2, 6))).tolist())
    size = rng.uniform(0.4, 0.85) * side / max(1, len(text) * 0.7)
    return sheet_of(rng, letter(text, (side, side), size, rng))


def face(rng: Rng) -> paper.Sheet:
    """Draw a face: an outline, two eyes, a mouth and perhaps a nose."""
    side = int(rng.integers(60, 400))
    parts = [_ring(0.5, 0.5, rng.uniform(0.3, 0.44), rng.uniform(0.32, 0.44))]
    parts += [_ring(0.5 + x, rng.uniform(0.38, 0.44), *(rng.uniform(0.02, 0.07, 2))) for x in (-0.14, 0.14)]
    y, curve = rng.uniform(0.62, 0.7), rng.uniform(-0.4, 0.4)
    parts.append(polyline((0.34, y), (0.66, y), bend=curve))
    if rng.random() < 0.6:
        parts.append(polyline((0.5, 0.46), (0.47, 0.57), (0.53, 0.57)))
    return sheet_of(rng, _drawn(join(*parts), side, rng))


def logo(rng: Rng) -> paper.Sheet:
    """Draw an emblem of random shapes: filled blobs, stars, rings, bars."""
    side = int(rng.integers(60, 400))
    x, y = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    outline = rng.uniform(0.45, 0.8) * (
        1 + rng.uniform(0, 0.4) * np.cos(int(rng.integers(2, 9)) * angle + rng.uniform(0, 6))
    )
    ink = radius < outline
    for _ in range(int(rng.integers(1, 4))):
        choice = int(rng.integers(3))
        cx, cy, size = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0.1, 0.4)
        ink ^= (np.abs(x - cx) < size, np.hypot(x - cx, y - cy) < size, np.abs(x + y - cx) < size / 3)[choice]
    return sheet_of(rng, ink.astype(np.float32))


def doodle(rng: Rng) -> paper.Sheet:
    """Scribble: a random walk of many turns."""
    side = int(rng.integers(60, 400))
    corners = [tuple(point) for point in rng.uniform(0.1, 0.9, (int(rng.integers(6, 14)), 2)).tolist()]
    return sheet_of(rng, _drawn(polyline(*corners, bend=rng.normal(0, 0.2)), side, rng))


def several(digits: list[Drawing], rng: Rng) -> paper.Sheet:
    """Write two or more digits side by side."""
    height = int(rng.integers(50, 300))
    count = len(digits)
    width = int(height * rng.uniform(0.75, 1.1) * count)
    size = height * rng.uniform(0.45, 0.75)
    pen = rng.uniform(0.05, 0.14)
    ink = np.zeros((height, width), np.float32)
    step = min(size * rng.uniform(0.85, 1.2), (width - size) / max(1, count - 1))
    start = width / 2 - step * (count - 1) / 2
    for place, digit in enumerate(digits):
        middle = (start + place * step, height / 2 + rng.normal(0, 0.05) * height)
        ink = np.maximum(ink, digit.write((width, height), size * rng.uniform(0.9, 1.1), middle, pen))
    return sheet_of(rng, ink)


def _drawn(strokes: Strokes, side: int, rng: Rng) -> paper.Field:
    return draw(warp(strokes, rng), (side, side), side, (0, 0), max(1.0, rng.uniform(0.015, 0.09) * side))


def _ring(x: float, y: float, wide: float, high: float) -> Strokes:
    t = np.linspace(0, 2 * np.pi, 33)
    points = np.stack([x + wide * np.cos(t), y + high * np.sin(t)], 1).astype(np.float32)
    order = np.arange(32)
    return Strokes(points, np.stack([order, order + 1], 1))
