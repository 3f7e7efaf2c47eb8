"""Ink that stands out little: chalk on a board, a coloured marker on a white board, a hard pencil."""

from __future__ import annotations

import numpy as np

from training.synth import paper
from training.synth.drawing import Drawing
from training.synth.scenes import Rng, place

MARKERS: tuple[paper.Colour, ...] = (
    *((0.91, 0.84, 0.26), (0.93, 0.59, 0.17), (0.47, 0.75, 0.93), (0.88, 0.3, 0.32)),
    *((0.3, 0.68, 0.36), (0.2, 0.3, 0.78), (0.8, 0.4, 0.75), (0.12, 0.12, 0.14)),
)


def chalk(digit: Drawing, rng: Rng) -> paper.Sheet:
    """Write with chalk, whose grain leaves gaps, on a green, grey or black board that is not evenly lit."""
    sheet = _sheet(rng, (140, 360))
    level = rng.uniform(0.08, 0.32)
    red, green, blue = level * rng.uniform((0.6, 0.9, 0.7), (1.0, 1.4, 1.1))
    sheet.paper, sheet.noise = (float(red), float(green), float(blue)), rng.uniform(1, 7)
    ink = _written(digit, sheet, rng, (0.03, 0.1))
    grain = rng.uniform(0.3, 0.9)
    ink = ink * (grain + (1 - grain) * rng.random(ink.shape, np.float32))
    white = float(rng.uniform(0.7, 1.0))
    sheet.layers.append((ink.astype(np.float32), (white, white, white * float(rng.uniform(0.8, 1)))))
    return sheet


def marker(digit: Drawing, rng: Rng) -> paper.Sheet:
    """Write with a coloured marker on a white board, which a phone shows grey and with a lamp's reflection."""
    sheet = _sheet(rng, (140, 360))
    level = float(rng.uniform(0.7, 1.0))
    sheet.paper = (level, level, level)
    if rng.random() < 0.5:
        width, height = sheet.size
        x, y = np.meshgrid(np.arange(width) - rng.uniform(0, width), np.arange(height) - rng.uniform(0, height))
        near = np.exp(-(x**2 + y**2) / (rng.uniform(0.1, 0.5) * width) ** 2)
        sheet.light = np.minimum(sheet.light * (1 + rng.uniform(0.1, 0.3) * near), 1 / level).astype(np.float32)
    sheet.layers.append((_written(digit, sheet, rng, (0.04, 0.1)), MARKERS[rng.integers(len(MARKERS))]))
    return sheet


def faint(digit: Drawing, rng: Rng) -> paper.Sheet:
    """Write with a hard pencil: thin, of changing strength, and close to the paper's own level."""
    sheet = _sheet(rng, (200, 420))
    sheet.noise, sheet.blur = rng.uniform(0.5, 2.5), rng.uniform(0.3, 1)
    ink = _written(digit, sheet, rng, (0.012, 0.04))
    ink = ink * rng.uniform(0.09, 0.3) * (0.5 + rng.random(ink.shape, np.float32))
    sheet.layers.append((ink.astype(np.float32), (0.25, 0.25, 0.27)))
    return sheet


def _sheet(rng: Rng, side: tuple[int, int]) -> paper.Sheet:
    long = int(rng.integers(*side))
    return paper.lit(long, int(long * rng.uniform(0.7, 1)), rng)


def _written(digit: Drawing, sheet: paper.Sheet, rng: Rng, pen: tuple[float, float]) -> paper.Field:
    size = rng.uniform(0.35, 0.85) * min(sheet.size)
    return digit.write(sheet.size, size, place(sheet.size, size, rng), rng.uniform(*pen))
