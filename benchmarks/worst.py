"""Pictures that cost the most to prepare: those that an attacker would think of first, and slower ones, by search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.recipes import Layer, Recipe

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

# The two slowest of each side, by `python -m benchmarks.search --seconds 70` on an AMD EPYC, 28 November 2026.
FOUND: tuple[Recipe, ...] = (
    Recipe(
        28,
        (31, 11, 217),
        (
            Layer("checkerboard", 0.0503, 0.66, (234, 172, 95), 65),
            Layer("grain", 0.1097, 0.24, (24, 24, 24), 0),
            Layer("spiral", 0.0096, 0.02, (143, 143, 143), 70),
        ),
    ),
    Recipe(
        28,
        (31, 11, 217),
        (Layer("checkerboard", 0.0345, 0.66, (73, 73, 73), 65), Layer("grain", 0.1097, 0.24, (24, 24, 24), 0)),
    ),
    Recipe(
        280,
        (211, 211, 211),
        (
            Layer("maze", 0.0051, 0.77, (18, 21, 138), 20),
            Layer("grid", 0.4413, 0.23, (66, 66, 66), 37),
            Layer("columns", 0.0402, 0.61, (200, 200, 200), 11),
            Layer("maze", 0.0051, 0.37, (18, 21, 138), 20),
        ),
    ),
    Recipe(
        280,
        (192, 192, 192),
        (
            Layer("maze", 0.0566, 0.26, (18, 21, 138), 20),
            Layer("checkerboard", 0.0341, 0.66, (45, 45, 45), 86),
            Layer("maze", 0.0566, 0.37, (18, 21, 138), 20),
        ),
    ),
    Recipe(
        640,
        (181, 181, 181),
        (
            Layer("grain", 0.1369, 0.38, (159, 90, 168), 84),
            Layer("maze", 0.0051, 0.37, (18, 21, 138), 20),
            Layer("maze", 0.1728, 0.82, (26, 26, 26), 72),
            Layer("grain", 0.0025, 0.65, (76, 76, 76), 66),
        ),
    ),
    Recipe(
        640,
        (11, 93, 64),
        (
            Layer("grid", 0.0262, 0.39, (62, 96, 19), 50),
            Layer("grain", 0.0065, 0.19, (38, 38, 38), 5),
            Layer("checkerboard", 0.0247, 1, (110, 110, 110), 49),
            Layer("dots", 0.1764, 0.46, (70, 70, 70), 49),
        ),
    ),
    Recipe(
        1500,
        (151, 65, 198),
        (Layer("maze", 0.001, 0.55, (196, 196, 196), 99), Layer("grain", 0.0011, 0.34, (66, 66, 66), 3)),
    ),
    Recipe(
        1500,
        (151, 65, 198),
        (
            Layer("maze", 0.001, 0.55, (196, 196, 196), 99),
            Layer("grain", 0.0011, 0.34, (66, 66, 66), 3),
            Layer("ramp", 0.0028, 0.28, (3, 3, 3), 94),
        ),
    ),
    Recipe(
        4000,
        (1, 148, 3),
        (
            Layer("checkerboard", 0.0025, 0.08, (29, 88, 119), 78),
            Layer("grain", 0.0067, 0.88, (212, 212, 212), 24),
            Layer("grain", 0.0148, 0.7, (136, 21, 22), 6),
            Layer("blobs", 0.0086, 0.05, (220, 220, 220), 74),
        ),
    ),
    Recipe(
        4000,
        (1, 148, 3),
        (
            Layer("grain", 0.017, 0.7, (228, 228, 228), 6),
            Layer("grain", 0.0148, 0.7, (136, 21, 22), 6),
            Layer("blobs", 0.0086, 0.05, (220, 220, 220), 74),
        ),
    ),
)
