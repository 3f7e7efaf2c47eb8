"""Pictures that go wrong when a constant or a reading of the preprocessing is broken (test_constants.py says which)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from drawings import SIZE, as_file, black_on_white, drawn, lamp, shot
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Page = NDArray[np.uint8]
Ink = NDArray[np.float32]


class Held(NamedTuple):
    """A picture, decoded or as a file, and what is right about it: the digit, a rejection, or None for "written"."""

    picture: Page | bytes
    right: int | str | None


def noisy(page: NDArray[np.floating], amount: float = 3) -> Page:
    """Add a sensor's noise."""
    return np.clip(page + np.random.default_rng(1).normal(0, amount, page.shape), 0, 255).astype(np.uint8)


def blurred(page: Page, sigma: float) -> Page:
    """Blur a picture."""
    return np.asarray(Image.fromarray(page).filter(ImageFilter.GaussianBlur(sigma)))


def made_small(page: Page, side: int, way: Image.Resampling) -> Page:
    """Reduce a picture."""
    return np.asarray(Image.fromarray(page).resize((side, side), way))


def chalk(digit: int, height: float = 200, pen: float = 14) -> Held:
    """Light grainy strokes on an uneven board."""
    ink = drawn(digit, size=SIZE, height=height, pen=pen) * np.random.default_rng(2).uniform(0.6, 1, SIZE[::-1])
    return Held(noisy(60 + 40 * lamp(SIZE, 0.6) + 150 * ink, 6), digit)


def negative(digit: int) -> Held:
    """A photo with its levels turned round."""
    ink = drawn(digit, size=SIZE, height=160, pen=9)
    return Held(255 - noisy((220 - 150 * ink) * lamp(SIZE, 0.3)), digit)


def pencil(digit: int) -> Held:
    """A thin stroke a few levels above the grain."""
    ink = drawn(digit, size=(700, 700), height=480, pen=5) * np.random.default_rng(3).uniform(0.5, 1.5, (700, 700))
    return Held(blurred(noisy(198 - 16 * ink, 2.5), 0.7), digit)


def out_of_focus(digit: int, sigma: float) -> Held:
    """A blurred photo."""
    ink = drawn(digit, size=(600, 600), height=300, pen=18)
    return Held(blurred(noisy((200 - 150 * ink) * lamp((600, 600), 0.3)), sigma), digit)


def fat(digit: int, pen: float) -> Held:
    """A large photo of a broad marker's strokes."""
    return Held(shot(drawn(digit, size=(1000, 1000), height=800, pen=pen), lamp((1000, 1000), 0.4)), digit)


def beside_a_band(digit: int) -> Held:
    """A grainy crop of a marker's digit, made square with white."""
    page = np.full((84, 84), 255.0)
    page[:, :60] = 110 - 95 * drawn(digit, size=(60, 84), height=62, pen=13)
    return Held(as_file(noisy(page, 4), "JPEG", quality=85), digit)


def speck(size: int) -> Held:
    """Dirt on an empty page."""
    page = np.zeros((200, 200), np.float32)
    page[100 : 100 + size, 66 : 66 + size // 3 + 1] = 1
    return Held(black_on_white(page), "blank")


def few_pixels(digit: int) -> Held:
    """A digit of five pixels in a file of 16 x 16."""
    page = black_on_white(drawn(digit, size=(128, 128), height=38, pen=7), 150, 250)
    return Held(made_small(page, 16, Image.Resampling.BOX), None)


def with_a_scribble(digit: int) -> Held:
    """A heavier stroke beside the digit, which runs in from the side."""
    sheet = Image.new("L", (300, 300))
    ImageDraw.Draw(sheet).line([(180, 0), (299, 60), (240, 130), (299, 200)], fill=255, width=26)
    ink = drawn(digit, size=(300, 300), height=110, middle=(100, 180), pen=8)
    return Held(black_on_white(np.maximum(ink, np.asarray(sheet, np.float32) / 255)), digit)


def tight(digit: int, pen: float = 20, height: float = 140, pad: int = 0) -> Page:
    """Give dark ink on white, cut out along the ink."""
    side = round(height / 0.7)
    ink = drawn(digit, size=(side, side), height=height, pen=pen)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return black_on_white(np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], pad))


def tight_and_grainy(digit: int) -> Held:
    """A small crop along the ink, in grey and with noise."""
    return Held(noisy(25 + 0.8 * tight(digit, 14, 70), 5), digit)


def tight_and_lit(digit: int) -> Held:
    """A small crop along the ink, lighter to one side."""
    page = 0.75 * tight(digit, 14, 70)
    return Held(noisy(page + np.linspace(0, 45, page.shape[1]), 2), digit)


def margin(start: int) -> Held:
    """A margin's line that is darker for a while, and nothing written."""
    page = np.zeros((300, 300), np.float32)
    page[:, 148:151] = 0.35
    page[start : start + 60, 148:151] = 0.9
    return Held(shot(page, lamp((300, 300), 0.2)), "blank")


def stroke_by_a_line(height: float, strength: float = 0.6) -> Held:
    """A short stroke, hardly stronger than the line that was printed below it."""
    page = np.zeros((300, 300), np.float32)
    page[150:152] = 0.7
    stroke = drawn(1, size=(300, 300), height=height, middle=(100, 80), pen=4)
    return Held(shot(np.maximum(page, strength * stroke), lamp((300, 300), 0.2)), None)


def ruled(digit: int, *rows: int, side: int = 200, height: float = 120, pen: float = 6) -> Held:
    """A clean drawing on printed lines."""
    ink = drawn(digit, size=(side, side), height=height, pen=pen)
    for row in rows:
        ink[row : row + 3] = np.maximum(ink[row : row + 3], 0.43)
    return Held(black_on_white(ink), digit)


def uneven_pressure(digit: int) -> Held:
    """The lower half of the strokes is a quarter as strong."""
    ink = drawn(digit, pen=12)
    ink[100:] *= 0.28
    return Held(black_on_white(ink), digit)


def as_light_as_the_paper(digit: int, height: float = 140, pen: float = 14, red: int = 222) -> Held:
    """Coloured ink that grey does not show."""
    ink = drawn(digit, height=height, pen=pen)[..., None]
    colour = np.array((222, 196, 176) if red == 222 else (250, 170, 200))
    return Held(as_file((200 * (1 - ink) + colour * ink).astype(np.uint8)), digit)


def rounded_photo(digit: int) -> Held:
    """A photo with transparent corners."""
    page = np.full((300, 300, 4), 255, np.uint8)
    ink = drawn(digit, size=(300, 300), height=200, pen=12)
    page[..., :3] = np.clip(230 - 200 * ink, 0, 255)[..., None]
    rows, columns = np.mgrid[0:300, 0:300]
    page[np.hypot(rows - 150, columns - 150) > 148] = 0
    return Held(as_file(page), digit)


def far_away(digit: int, height: float) -> Held:
    """A small digit on a large clean page."""
    ink = drawn(digit, size=(640, 480), height=height, middle=(250, 200), pen=height / 12)
    return Held(black_on_white(ink), digit)


def two(*, photo: bool) -> Held:
    """Two digits side by side."""
    page = np.hstack([drawn(3, size=(150, 200)), drawn(5, size=(150, 200))])
    return Held(shot(page, lamp((300, 200), 0.3)) if photo else black_on_white(page), "several_digits")


def many(count: int) -> Held:
    """A row of digits."""
    row = [drawn((2, 3, 5, 7)[place % 4], size=(70, 100), height=50, pen=5) for place in range(count)]
    return Held(black_on_white(np.hstack(row)), "several_digits")


def bar_of(width: int) -> Held:
    """An upright bar in a picture that is hardly wider."""
    return Held(black_on_white(np.pad(np.ones((20, width - 2), np.float32), ((3, 3), (1, 1)))), None)


def faintest() -> Held:
    """Clean ink nine levels below the paper."""
    return Held(black_on_white(drawn(3), 246, 255), None)


def plain(digit: int, pen: float = 14, **drawing: object) -> Held:
    """A clean drawing."""
    return Held(black_on_white(drawn(digit, pen=pen, **drawing)), digit)  # type: ignore[arg-type]


def faint_marker(digit: int) -> Held:
    """A broad stroke 24 levels below the paper."""
    return Held(black_on_white(drawn(digit, height=150, pen=40) * np.float32(24 / 255)), digit)


def with_a_binding(digit: int) -> Held:
    """Wires of a binding along the side, each darker than the small digit."""
    sheet = Image.fromarray(drawn(digit, size=SIZE, height=60, middle=(220, 150), pen=4) * 0.5)
    for y in range(28, SIZE[1], 48):
        ImageDraw.Draw(sheet).ellipse([14, y - 18, 50, y + 18], outline=1.0, width=8)
    return Held(shot(np.asarray(sheet), lamp(SIZE, 0.2)), digit)


def board_in_the_light(digit: int) -> Held:
    """Thin chalk on a board beside a lamp's glow."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    glow = 100 * np.exp(-((rows - 60) ** 2 + (columns - 320) ** 2) / 5000)
    ink = drawn(digit, size=SIZE, height=110, middle=(150, 180), pen=6)
    return Held(noisy(np.clip(50 + glow + 90 * ink, 0, 255)), digit)


def broad_chalk(digit: int) -> Held:
    """A negative of a broad marker's strokes."""
    picture = fat(digit, 100).picture
    assert isinstance(picture, np.ndarray)
    return Held(255 - picture, digit)
