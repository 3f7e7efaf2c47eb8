"""Pictures that cost the most to prepare: generators by name, each of a side in pixels.

The patterns that an attacker would think of first; slower ones have not been searched for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]


def blank(side: int) -> Grey:
    """Give an even page."""
    return np.full((side, side), 200, np.uint8)


def noise(side: int) -> Grey:
    """Give nothing but noise."""
    return np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)


def checkerboard(side: int, cell: int = 1) -> Grey:
    """Give squares of two levels."""
    rows, columns = np.indices((side, side)) // cell
    return ((rows + columns) % 2 * 255).astype(np.uint8)


def stripes(side: int) -> Grey:
    """Give rows of two levels by turns."""
    return (np.indices((side, side))[0] % 2 * 255).astype(np.uint8)


def rulings(side: int, *, grid: bool = False) -> Grey:
    """Give a lined or a squared page, unevenly lit."""
    page = np.linspace(230, 150, side)[None, :] * np.ones((side, 1))
    page[:: max(2, side // 16)] -= 40
    if grid:
        page[:, :: max(2, side // 16)] -= 40
    return page.clip(0, 255).astype(np.uint8)


def dots(side: int, *, level: int = 60) -> Grey:
    """Give as many separate pieces as there is room for."""
    page = np.full((side, side), 220, np.uint8)
    page[1::4, 1::4] = page[2::4, 1::4] = page[1::4, 2::4] = page[2::4, 2::4] = level
    return page


def blobs(side: int) -> Grey:
    """Give dots of chance on uneven paper: many candidates, none of which is certain."""
    rng = np.random.default_rng(1)
    small = rng.normal(0, 1, (max(1, side // 5), max(1, side // 5)))
    page = np.kron(small > 1, np.ones((5, 5)))
    page = np.pad(page, ((0, side), (0, side)))[:side, :side]
    return (rng.normal(0, 6, (side, side)) + 190 - 90 * page - np.linspace(0, 60, side)).clip(0, 255).astype(np.uint8)


PICTURES: dict[str, Callable[[int], Grey]] = {
    "blank": blank,
    "noise": noise,
    "checkerboard": checkerboard,
    "squares of 4": lambda side: checkerboard(side, 4),
    "stripes": stripes,
    "lined": rulings,
    "grid": lambda side: rulings(side, grid=True),
    "dots": dots,
    "faint dots": lambda side: dots(side, level=200),
    "blobs": blobs,
}
