"""Synthetic sheets: what a digit is written on, the light that falls on it and the camera that looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Field = NDArray[np.float32]
Colour = tuple[float, float, float]
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's "L"


@dataclass
class Sheet:
    """A sheet under construction.

    Attributes:
        paper: colour of the bare sheet, 0 to 1 each.
        light: float32 [height, width], factor on everything, 0 to about 1.
        layers: (float32 [height, width] coverage 0 to 1, colour), painted in order.
        blur: of the lens, standard deviation in pixels.
        noise: of the sensor, standard deviation in grey levels of 255.
    """

    paper: Colour
    light: Field
    layers: list[tuple[Field, Colour]] = field(default_factory=list)
    blur: float = 0.0
    noise: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.light.shape[1], self.light.shape[0]

    def render(self, rng: np.random.Generator, *, colour: bool) -> NDArray[np.uint8]:
        """Give uint8 [height, width], or [height, width, 3] in colour."""
        channels = np.eye(3, dtype=np.float32) if colour else _LUMA[None]
        planes = []
        for weights in channels:
            plane = np.full(self.light.shape, float(weights @ np.asarray(self.paper, np.float32)), np.float32)
            for coverage, ink in self.layers:
                plane += coverage * (float(weights @ np.asarray(ink, np.float32)) - plane)
            planes.append(plane * self.light * 255)
        if self.noise:
            grain = rng.normal(0, self.noise, self.light.shape).astype(np.float32)
            planes = [plane + grain for plane in planes]
        image = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
        image = image if colour else image[..., 0]
        if self.blur:
            image = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(self.blur)))
        return image


def even(width: int, height: int, paper: Colour = (1.0, 1.0, 1.0)) -> Sheet:
    """Give a perfectly lit, clean canvas."""
    return Sheet(paper, np.ones((height, width), np.float32))


def lit(width: int, height: int, rng: np.random.Generator) -> Sheet:
    """Give a sheet of paper under a lamp, seen by a phone: warm or cool, gradient, vignette, cloudy patches, noise."""
    level = rng.uniform(0.5, 0.98)
    warm = rng.normal(0, 0.05)
    paper = (min(1.0, 1 + min(warm, 0.0) + 0.02), 1.0, min(1.0, max(0.6, 1 - abs(warm) * 2)))
    x, y = _grid(width, height)
    light = np.full((height, width), level, np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light *= 1 + rng.uniform(0, 0.35) * (x * np.cos(angle) + y * np.sin(angle))
    if rng.random() < 0.5:
        centre = rng.uniform(-0.5, 0.5, 2)
        light *= 1 - rng.uniform(0.05, 0.6) * np.clip((x - centre[0]) ** 2 + (y - centre[1]) ** 2, 0, 1.2)
    light *= 1 + rng.uniform(0, 0.06) * smooth_field(width, height, int(rng.integers(3, 8)), rng)
    light *= min(1.0, 0.99 / float(light.max()))
    return Sheet(paper, np.maximum(light, 0.05), blur=rng.uniform(0, 1.2), noise=abs(rng.normal(0, 2.5)))


def shadow(sheet: Sheet, rng: np.random.Generator, *, hard: bool) -> None:
    """Let a hand, a phone or a window frame throw a shadow, with a sharp or a soft edge."""
    width, height = sheet.size
    x, y = _grid(width, height)
    angle = rng.uniform(0, 2 * np.pi)
    distance = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(-0.45, 0.45)
    distance += rng.uniform(0, 0.15) * smooth_field(width, height, 4, rng)
    if rng.random() < 0.3:
        distance = np.abs(distance) - rng.uniform(0.1, 0.4)
    edge = rng.uniform(0.004, 0.03) if hard else rng.uniform(0.05, 0.4)
    sheet.light *= 1 - rng.uniform(0.15, 0.6) / (1 + np.exp(-np.clip(distance / edge, -30, 30)))


def table(sheet: Sheet, rng: np.random.Generator) -> None:
    """Let a table show beside the sheet on one or two sides, lighter or darker, with grain."""
    width, height = sheet.size
    x, y = _grid(width, height)
    colour = tuple(rng.uniform(0.05, 0.75) * np.array([1, rng.uniform(0.6, 1), rng.uniform(0.4, 1)]))
    tilt = rng.normal(0, 0.05)
    cover = np.zeros((height, width), np.float32)
    for side in rng.choice(4, int(rng.integers(1, 3)), replace=False):
        along, across = ((x, y), (y, x), (x, -y), (y, -x))[side]
        cover = np.maximum(cover, _step((across + tilt * along - rng.uniform(0.62, 0.92)).astype(np.float32), 0.01))
    grain = 1 + 0.15 * smooth_field(width, height, int(rng.integers(4, 30)), rng)
    sheet.light *= np.where(cover > 0.5, grain, 1).astype(np.float32)
    sheet.layers.append((cover, (float(colour[0]), float(colour[1]), float(colour[2]))))


def rulings(sheet: Sheet, rng: np.random.Generator, *, grid: bool, pitch: float) -> None:
    """Print lines, or a grid, `pitch` pixels apart, grey, blue or red, a little tilted, with perhaps a margin line."""
    width, height = sheet.size
    tilt = rng.normal(0, 0.02)
    strength, thick = rng.uniform(0.15, 0.85), max(0.8, pitch * rng.uniform(0.015, 0.05))
    colour = _ink_like(rng, (0.35, 0.5, 0.8), (0.5, 0.5, 0.5), (0.45, 0.65, 0.75), (0.8, 0.5, 0.5))
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    cover = _comb(row + tilt * column, pitch, rng.uniform(0, pitch), thick)
    if grid:
        cover = np.maximum(cover, _comb(column - tilt * row, pitch, rng.uniform(0, pitch), thick))
    sheet.layers.append((cover * strength, colour))
    if not grid and rng.random() < 0.4:
        margin = np.abs(column - tilt * row - rng.uniform(0.05, 0.3) * width) < thick
        sheet.layers.append((margin.astype(np.float32) * strength, (0.85, 0.35, 0.35)))


def rings(sheet: Sheet, rng: np.random.Generator) -> None:
    """Put a ring binding along one side: holes, dark or bright, and often the wire through them."""
    width, height = sheet.size
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    flip = rng.random() < 0.5
    along, across, length, depth = (row, column, height, width) if flip else (column, row, width, height)
    pitch = length / rng.uniform(5, 22)
    radius = pitch * rng.uniform(0.15, 0.33)
    where = rng.uniform(0.03, 0.10) * depth
    if rng.random() < 0.5:
        across = depth - 1 - across
    phase = (along + rng.uniform(0, pitch)) % pitch - pitch / 2
    hole = np.clip(radius - np.hypot(phase, across - where) + 0.5, 0, 1)
    wire = (np.abs(phase) < radius * 0.4) & (across < where)
    level = rng.uniform(0.02, 0.4)
    sheet.layers.append((hole.astype(np.float32), (level, level, level)))
    if rng.random() < 0.7:
        shine = rng.uniform(0.1, 0.6)
        sheet.layers.append((wire.astype(np.float32), (shine, shine, shine)))


def smooth_field(width: int, height: int, cells: int, rng: np.random.Generator) -> Field:
    """Give random hills, float32 [height, width], mean about 0, about -2 to 2, `cells` across."""
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def _grid(width: int, height: int) -> tuple[Field, Field]:
    """Coordinates from -1 to 1 over both sides."""
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32))
    return x, y


def _step(distance: Field, edge: float) -> Field:
    step: Field = np.clip(distance / edge + 0.5, 0, 1).astype(np.float32)
    return step


def _comb(position: Field, pitch: float, phase: float, thick: float) -> Field:
    away = np.abs((position + phase) % pitch - pitch / 2)
    comb: Field = np.clip(thick / 2 - away + 0.5, 0, 1).astype(np.float32)
    return comb


def _ink_like(rng: np.random.Generator, *choices: Colour) -> Colour:
    red, green, blue = np.clip(np.array(choices[rng.integers(len(choices))]) + rng.normal(0, 0.06, 3), 0, 1).tolist()
    return red, green, blue
