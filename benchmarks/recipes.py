"""Pictures as recipes: layers of patterns on an even page, drawn from a few numbers, the same each time."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHOTO_SIDE = 4000  # pixels: a picture of this side is 4000 x 3000, a JPEG
ENLARGED = 4  # times, from what is drawn of it
Colour = tuple[int, int, int]
Bits = NDArray[np.bool_]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Layer:
    """One pattern.

    Attributes:
        kind: one of `PATTERNS` or `CHANGES`.
        cell: size of its parts, as a share of the picture's side.
        share: how much of it is ink, or how strong the change is, 0 to 1.
        colour: red, green, blue of its ink.
        seed: of what chance decides.
    """

    kind: str
    cell: float
    share: float
    colour: Colour
    seed: int


@dataclass(frozen=True)
class Recipe:
    """A picture: its side in pixels, its page's colour, and what lies on it."""

    side: int
    page: Colour
    layers: tuple[Layer, ...]


class _Place:
    """Coordinates of a picture's pixels, and a layer's numbers in pixels."""

    def __init__(self, shape: tuple[int, ...], layer: Layer) -> None:
        self.shape = shape
        self.rows, self.columns = np.ogrid[: shape[0], : shape[1]]
        self.cell = max(1, round(layer.cell * shape[1]))
        self.period = max(2, self.cell)
        self.ink = max(1, round(layer.share * self.period))
        self.share = layer.share
        self.rng = np.random.default_rng(layer.seed)
        self.y, self.x = self.rows - shape[0] // 2, self.columns - shape[1] // 2

    def chance(self) -> NDArray[np.float32]:
        """Give a number of chance for each cell, at each of its pixels."""
        high, wide = (-(-side // self.cell) for side in self.shape[:2])
        small = self.rng.random((high, wide), np.float32)
        return small.repeat(self.cell, 0).repeat(self.cell, 1)[: self.shape[0], : self.shape[1]]


def _maze(at: _Place) -> Bits:
    wall = max(1, at.period // 4)
    top, left = at.rows % at.period < wall, at.columns % at.period < wall
    return np.where(at.chance() < at.share, top, left)


def _blobs(at: _Place) -> Bits:
    noise = cv2.GaussianBlur(at.rng.random(at.shape[:2], np.float32), (0, 0), at.cell)
    return noise > np.quantile(noise, 1 - at.share)


def _text(at: _Place) -> Bits:
    page = np.zeros(at.shape[:2], np.uint8)
    size = max(5, 2 * at.cell)
    for row in range(size, at.shape[0] + size, size + size // 3):
        count = at.shape[1] // max(1, size // 2)
        words = "".join(chr(one) for one in at.rng.integers(48, 91, max(1, round(count * at.share))))
        cv2.putText(page, words, (0, row), cv2.FONT_HERSHEY_SIMPLEX, size / 30, 255, max(1, size // 10))
    return page > 0


def _comb(at: _Place) -> Bits:
    reach = at.shape[0] * (0.3 + 0.6 * at.share)
    return ((at.columns % at.period < max(1, at.period // 2)) & (at.rows < reach)) | (at.rows < at.cell)


def _spiral(at: _Place) -> Bits:
    turn = np.arctan2(at.y, at.x) / (2 * np.pi)
    return (np.hypot(at.y, at.x) / at.period + turn) % 1 < at.share


PATTERNS: dict[str, Callable[[_Place], Bits]] = {
    "noise": lambda at: at.chance() < at.share,
    "checkerboard": lambda at: (at.rows // at.cell + at.columns // at.cell) % 2 == 0,
    "rows": lambda at: np.broadcast_to(at.rows % at.period < at.ink, at.shape[:2]),
    "columns": lambda at: np.broadcast_to(at.columns % at.period < at.ink, at.shape[:2]),
    "grid": lambda at: (at.rows % at.period < max(1, at.ink // 3)) | (at.columns % at.period < max(1, at.ink // 3)),
    "dots": lambda at: (at.rows % at.period < at.ink) & (at.columns % at.period < at.ink),
    "rings": lambda at: np.hypot(at.y, at.x) % at.period < at.ink,
    "squares": lambda at: np.maximum(abs(at.y), abs(at.x)) % at.period < at.ink,
    "spiral": _spiral,
    "comb": _comb,
    "maze": _maze,
    "blobs": _blobs,
    "text": _text,
}


def _ramp(page: Pixels, at: _Place) -> Pixels:
    light = 1 - at.share * np.linspace(0, 1, at.shape[1], dtype=np.float32)[None, :, None]
    return (page * light).astype(np.uint8)


def _grain(page: Pixels, at: _Place) -> Pixels:
    grain = at.rng.normal(0, 60 * at.share, (*at.shape[:2], 1)).astype(np.float32)
    return (page + grain).clip(0, 255).astype(np.uint8)


def _blur(page: Pixels, at: _Place) -> Pixels:
    return cv2.GaussianBlur(page, (0, 0), 0.3 + 3 * at.share).astype(np.uint8, copy=False)


CHANGES: dict[str, Callable[[Pixels, _Place], Pixels]] = {"ramp": _ramp, "grain": _grain, "blur": _blur}


def draw(recipe: Recipe) -> Pixels:
    """Draw a picture, uint8 [height, width, 3]; [height, width] where nothing has a colour."""
    wide = recipe.side // (ENLARGED if recipe.side == PHOTO_SIDE else 1)
    high = wide * 3 // 4 if recipe.side == PHOTO_SIDE else wide
    page = np.full((high, wide, 3), recipe.page, np.uint8)
    for layer in recipe.layers:
        at = _Place(page.shape, layer)
        if layer.kind in CHANGES:
            page = CHANGES[layer.kind](page, at)
        else:
            page[PATTERNS[layer.kind](at)] = layer.colour
    if recipe.side == PHOTO_SIDE:
        page = page.repeat(ENLARGED, 0).repeat(ENLARGED, 1)
    grey = all(len(set(colour)) == 1 for colour in (recipe.page, *(one.colour for one in recipe.layers)))
    return np.ascontiguousarray(page[..., 0]) if grey else page


def as_file(recipe: Recipe) -> bytes:
    """Draw a picture and write it: a PNG, or a JPEG where it is as large as a photo."""
    buffer = io.BytesIO()
    kind = "JPEG" if recipe.side == PHOTO_SIDE else "PNG"
    Image.fromarray(draw(recipe)).save(buffer, kind, quality=95, compress_level=1)
    return buffer.getvalue()
