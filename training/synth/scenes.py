"""The kinds of picture that people send: one function for each way in which a digit is written and sent."""

from __future__ import annotations

from typing import Final

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from training.synth import paper
from training.synth.drawing import Drawing

Rng = np.random.Generator
PENS: tuple[paper.Colour, ...] = (
    (0.05, 0.05, 0.07),
    (0.10, 0.12, 0.45),
    (0.15, 0.25, 0.65),
    (0.70, 0.10, 0.12),
    (0.05, 0.35, 0.20),
    (0.25, 0.22, 0.2),
)
FONTS: Final = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSans-Oblique.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralItalic.ttf",
    "STIXGeneralBol.ttf",
    "cmr10.ttf",
    "cmss10.ttf",
    "cmtt10.ttf",
)


def photo(
    digit: Drawing,
    rng: Rng,
    *,
    pen: tuple[float, float] = (0.03, 0.15),
    share: tuple[float, float] = (0.25, 0.8),
    strength: tuple[float, float] = (0.75, 1.0),
    feature: str = "",
) -> paper.Sheet:
    """Photograph a digit on paper, with one feature of the world around it."""
    long = int(rng.integers(150, 620))
    short = int(long * rng.choice([0.75, 0.5625, 1.0, 0.9]))
    width, height = (long, short) if rng.random() < 0.4 else (short, long)
    sheet = paper.lit(width, height, rng)
    size = rng.uniform(*share) * min(width, height)
    if feature == "lined":
        paper.rulings(sheet, rng, grid=False, pitch=size * rng.uniform(0.35, 1.6))
    if feature == "grid":
        paper.rulings(sheet, rng, grid=True, pitch=size * rng.uniform(0.15, 1.3))
    ink = digit.write(sheet.size, size, place(sheet.size, size, rng), rng.uniform(*pen))
    coverage = ink * rng.uniform(*strength)
    if strength[0] < 0.5:  # graphite catches the grain of the paper
        coverage = coverage * np.clip(1 + 0.35 * rng.normal(0, 1, ink.shape), 0.2, 1.4).astype(np.float32)
    sheet.layers.append((coverage, (0.25, 0.25, 0.27) if strength[0] < 0.5 else PENS[rng.integers(len(PENS))]))
    if feature == "rings":
        paper.rings(sheet, rng)
    if feature == "table":
        paper.table(sheet, rng)
    if feature in ("shadow", "hard shadow"):
        paper.shadow(sheet, rng, hard=feature == "hard shadow")
    return sheet


def canvas(
    digit: Drawing,
    rng: Rng,
    *,
    side: tuple[int, int] = (100, 600),
    pen: tuple[float, float] = (0.04, 0.14),
    share: tuple[float, float] = (0.3, 0.85),
    inverted: float = 0.5,
    where: str = "",
) -> paper.Sheet:
    """Draw a digit on a clean canvas, black on white or white on black, or in colours far enough apart."""
    width = int(rng.integers(*side))
    height = width if rng.random() < 0.6 else int(width * rng.uniform(0.6, 1.6))
    ground = rng.uniform(0.85, 1.0) if rng.random() < 0.3 else 1.0
    ink = rng.uniform(0, 0.3) if rng.random() < 0.3 else 0.0
    if rng.random() < inverted:
        ground, ink = ink, ground
    sheet = paper.even(width, height, (ground, ground, ground))
    size = rng.uniform(*share) * min(width, height)
    centre = place(sheet.size, size, rng, where)
    colour = PENS[rng.integers(len(PENS))] if ground > 0.8 and rng.random() < 0.3 else (ink, ink, ink)
    sheet.layers.append((digit.write(sheet.size, size, centre, rng.uniform(*pen)), colour))
    return sheet


def cropped(digit: Drawing, rng: Rng) -> NDArray[np.uint8]:
    """Cut a drawn or scanned digit out along its ink, with next to no margin, at times blurred by scaling."""
    sheet = canvas(digit, rng, side=(60, 300), share=(0.5, 0.8), pen=(0.04, 0.22))
    ink = sheet.layers[-1][0]
    sheet.blur, sheet.noise = float(rng.choice([0, 0, 1.0, 2.0])), float(rng.choice([0, 0, 2.0, 4.0]))
    image = sheet.render(rng, colour=False)
    rows, columns = np.flatnonzero((ink > 0.5).any(1)), np.flatnonzero((ink > 0.5).any(0))
    margin = rng.integers(0, 3, 4)
    top, left = max(0, rows[0] - margin[0]), max(0, columns[0] - margin[1])
    crop = image[top : rows[-1] + 1 + margin[2], left : columns[-1] + 1 + margin[3]]
    return _enlarged(crop, rng) if rng.random() < 0.35 else crop


def _enlarged(crop: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Show a crop as some 16 pixels made large again, in blocks or smoothly, at times in two levels."""
    few = rng.uniform(12, 22) / max(crop.shape)
    size = [max(2, round(side * few)) for side in reversed(crop.shape)]
    small = Image.fromarray(crop).resize(size, Image.Resampling.BOX)
    if rng.random() < 0.4:
        small = small.point(lambda level: 255 * (level > (int(crop.min()) + int(crop.max())) / 2))
    if rng.random() < 0.5:
        small = ImageOps.expand(small, int(rng.integers(1, 5)), int(np.asarray(small)[0, 0]))
    factor = int(rng.integers(3, 6))
    way = Image.Resampling.NEAREST if rng.random() < 0.5 else Image.Resampling.BICUBIC
    return np.asarray(small.resize((small.width * factor, small.height * factor), way))


def form(digit: Drawing, rng: Rng, *, comb: bool = False) -> paper.Sheet:
    """Crop a digit from a scanned form, with pieces of the box it was written into, and of the boxes beside it."""
    width, height = int(rng.integers(24, 110)), int(rng.integers(30, 120))
    ground = rng.uniform(0.82, 1.0)
    sheet = paper.even(width, height, (ground, ground, ground))
    sheet.blur, sheet.noise = rng.uniform(0, 0.7), rng.uniform(0, 4)
    size = rng.uniform(0.45, 0.8) * min(height, width * 1.2)
    thick = rng.uniform(0.8, max(1.0, 0.05 * width))
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    tilt = rng.normal(0, 0.012)
    cover = np.zeros((height, width), np.float32)
    for name, axis, other, length in (
        ("l", column, row, width),
        ("r", column, row, width),
        ("t", row, column, height),
        ("b", row, column, height),
    ):
        if rng.random() < (0.75 if not comb or name in "lrb" else 0.0):
            inset = rng.uniform(-0.01, 0.10) * length
            at = inset if name in "lt" else length - 1 - inset
            line = np.clip(thick / 2 - np.abs(axis - at + tilt * other) + 0.5, 0, 1)
            if comb and name in "lr":
                line = line * (row > height * rng.uniform(0.3, 0.8))
            cover = np.maximum(cover, line)
    level = rng.uniform(0.0, 0.6)
    sheet.layers.append((cover * rng.uniform(0.6, 1), (level, level, level)))
    ink = digit.write(sheet.size, size, place(sheet.size, size, rng, "middle"), rng.uniform(0.05, 0.16))
    sheet.layers.append((ink * rng.uniform(0.7, 1), PENS[rng.integers(len(PENS))]))
    return sheet


def tight(digit: Drawing, rng: Rng, *, stretch: bool, binary: bool) -> NDArray[np.uint8]:
    """Scale a digit's ink into the whole of 16 x 16 pixels, as USPS (grey) and Semeion (stretched, binary) do."""
    side = int(rng.integers(60, 120))
    ink = digit.write((side * 2, side * 2), float(side), (side, side), rng.uniform(0.07, 0.2))
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape
    least = rng.uniform(0.35, 0.7) if stretch else 0.0
    if width < height * least or stretch:
        width = round(max(width, height * least) if width < height * least else height)
    grey = np.zeros((16, 16), np.float32)
    fit = 16 / max(height, width)
    size = (max(1, round(width * fit)), max(1, round(height * fit)))
    small = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BOX))
    top, left = (16 - size[1]) // 2, (16 - size[0]) // 2
    grey[top : top + size[1], left : left + size[0]] = small
    if binary:
        grey = (grey > rng.uniform(0.35, 0.6)).astype(np.float32)
    if rng.random() < 0.5:
        grey = 1 - grey
    return (np.clip(grey, 0, 1) * 255).astype(np.uint8)


def printed(label: int, rng: Rng) -> paper.Sheet:
    """Print a digit in one of the fonts that come with matplotlib."""
    width = int(rng.integers(40, 400))
    sheet = paper.lit(width, width, rng) if rng.random() < 0.3 else paper.even(width, width)
    size = rng.uniform(0.4, 0.9) * width
    sheet.layers.append((letter(str(label), sheet.size, size, rng), PENS[rng.integers(len(PENS))]))
    return sheet


def letter(text: str, size: tuple[int, int], height: float, rng: Rng) -> paper.Field:
    """Give printed text in the middle of a sheet, float32 [H, W], `height` the font size in pixels."""
    path = f"{mpl.get_data_path()}/fonts/ttf/{FONTS[rng.integers(len(FONTS))]}"
    page = Image.new("L", size)
    font = ImageFont.truetype(path, max(8, round(height)))
    ImageDraw.Draw(page).text((size[0] / 2, size[1] / 2), text, fill=255, font=font, anchor="mm")
    return np.asarray(page, np.float32) / np.float32(255)


def place(size: tuple[int, int], height: float, rng: Rng, where: str = "") -> tuple[float, float]:
    """Choose where a digit's middle lies, x and y in pixels: anywhere, middle, in a corner or cut at an edge."""
    half = height / 2
    if where == "edge":
        point = [rng.uniform(min(half, side / 2), max(side - half, side / 2)) for side in size]
        axis = int(rng.integers(2))
        near = half * rng.uniform(0.85, 1.0)
        point[axis] = near if rng.random() < 0.5 else size[axis] - near
        return point[0], point[1]
    if where == "corner":
        away = half * rng.uniform(1.05, 1.4, 2)
        x, y = (float(gap if rng.random() < 0.5 else side - gap) for gap, side in zip(away, size, strict=True))
        return x, y
    if where == "middle":
        return size[0] / 2 + rng.normal(0, 0.03) * size[0], size[1] / 2 + rng.normal(0, 0.03) * size[1]
    room = [max(0.0, side / 2 - half * 1.1) for side in size]
    return size[0] / 2 + rng.uniform(-1, 1) * room[0], size[1] / 2 + rng.uniform(-1, 1) * room[1]
