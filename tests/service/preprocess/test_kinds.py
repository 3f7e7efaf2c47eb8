"""Kinds of pictures that were once read wrongly; each goes wrong without what is named beside it."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import DRAWINGS, as_file, black_on_white, drawn, lamp, read
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from service.model.session import DigitSession
from service.preprocess import prepare, preprocess

SOME = (0, 2, 3, 5, 7)


def noisy(page: NDArray[np.float64] | NDArray[np.float32], amount: float = 3) -> NDArray[np.uint8]:
    """Add a sensor's noise."""
    return np.clip(page + np.random.default_rng(1).normal(0, amount, page.shape), 0, 255).astype(np.uint8)


def coloured(ink: NDArray[np.float32], colour: tuple[int, int, int], ground: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Lay ink of a colour on a ground, float [height, width, 3]."""
    return noisy(ground * (1 - ink[..., None]) + np.array(colour) * ink[..., None], 2)


@pytest.mark.parametrize("digit", SOME)
def test_chalk_on_a_board_is_ink(session: DigitSession, digit: int) -> None:
    """Light strokes on a dark and uneven board (`ink`: both polarities; `outline.stands_out`)."""
    board = 60 + 40 * lamp((400, 300), 0.6)
    chalk = drawn(digit, size=(400, 300), height=200, pen=14) * np.random.default_rng(2).uniform(0.6, 1, (300, 400))
    assert read(session, prepare(noisy(board + chalk * 150, 6))) == digit


@pytest.mark.parametrize("digit", SOME)
def test_a_negative_of_a_photo_is_read(session: DigitSession, digit: int) -> None:
    """A photo with its levels turned round is light ink on dark paper."""
    ink = drawn(digit, size=(400, 300), height=160, pen=9)
    photo = noisy((220 - 150 * ink) * lamp((400, 300), 0.3))
    assert read(session, prepare(255 - photo)) == digit


@pytest.mark.parametrize("digit", SOME)
def test_the_faintest_pencil_is_ink(session: DigitSession, digit: int) -> None:
    """A thin stroke a few levels above the grain holds together (`ink`: thresholds from the grain)."""
    ink = drawn(digit, size=(700, 700), height=480, pen=5) * np.random.default_rng(3).uniform(0.5, 1.5, (700, 700))
    page = Image.fromarray(noisy(198 - 16 * ink, 2.5)).filter(ImageFilter.GaussianBlur(0.7))
    assert read(session, preprocess(as_file(page, "JPEG", quality=82))) == digit


@pytest.mark.parametrize("colour", [(232, 214, 66), (120, 190, 236), (238, 150, 44)], ids=["yellow", "blue", "orange"])
@pytest.mark.parametrize("digit", SOME)
def test_ink_as_light_as_the_board_is_seen_by_its_colour(
    session: DigitSession, digit: int, colour: tuple[int, int, int]
) -> None:
    """A whiteboard with a reflection on it (`colour`: the mixture of channels that shows the ink)."""
    rows, columns = np.mgrid[0:300, 0:300]
    glare = 186 + 40 * np.exp(-((rows - 80) ** 2 + (columns - 80) ** 2) / 9000)
    page = coloured(drawn(digit, size=(300, 300), height=220, pen=14), colour, np.repeat(glare[..., None], 3, 2))
    assert read(session, preprocess(as_file(page, "JPEG", quality=85))) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", DRAWINGS)
def test_strokes_of_one_pixel_get_a_pen(session: DigitSession, digit: int, *, light_on_dark: bool) -> None:
    """A hard line of one pixel in a 28 x 28 file is no MNIST picture, though its box is (`layout`: hairlines)."""
    page = Image.new("1", (28, 28))
    for line in DRAWINGS[digit]:
        ImageDraw.Draw(page).line([(2 + 24 * x, 2 + 24 * y) for x, y in line], fill=1, width=1)
    ink = np.asarray(page)
    picture = black_on_white(ink.astype(np.float32))
    prepared = prepare(255 - picture if light_on_dark else picture)
    assert read(session, prepared) == digit
    assert np.count_nonzero(prepared.image > 127) > 1.3 * np.count_nonzero(ink)


@pytest.mark.parametrize("sigma", [6, 10])
@pytest.mark.parametrize("digit", SOME)
def test_a_photo_out_of_focus_is_read(session: DigitSession, digit: int, sigma: float) -> None:
    """How steep an outline must be depends on the digit's size (`outline.SEEN`)."""
    ink = drawn(digit, size=(600, 600), height=300, pen=18)
    page = Image.fromarray(noisy((200 - 150 * ink) * lamp((600, 600), 0.3))).filter(ImageFilter.GaussianBlur(sigma))
    assert read(session, preprocess(as_file(page, "JPEG", quality=80))) == digit


@pytest.mark.parametrize("digit", SOME)
def test_a_photo_that_was_made_small_is_read(session: DigitSession, digit: int) -> None:
    """28 x 28 pixels of uneven paper are enlarged and read as a photo (`ink`: the paper of a crop must be even)."""
    ink = drawn(digit, size=(600, 600), height=330, pen=26)
    page = Image.fromarray(noisy((205 - 140 * ink) * lamp((600, 600), 0.7)))
    assert read(session, prepare(np.asarray(page.resize((28, 28), Image.Resampling.BICUBIC)))) == digit


@pytest.mark.parametrize("digit", [0, 3, 5, 7])
def test_a_fat_marker_beside_a_white_band_is_read(session: DigitSession, digit: int) -> None:
    """A grainy crop made square by padding; the grain within a broad stroke is no stroke (`digit`: `THIN`)."""
    ink = drawn(digit, size=(60, 84), height=62, pen=13)
    page = np.full((84, 84), 255.0)
    page[:, :60] = 110 - 95 * ink
    assert read(session, preprocess(as_file(noisy(page, 4), "JPEG", quality=85))) == digit


@pytest.mark.parametrize("digit", SOME)
def test_a_small_digit_in_a_large_photo_is_read_nearer(session: DigitSession, digit: int) -> None:
    """A digit of a tenth of the picture's height is cut out of the finer picture (`pipeline.CLEAR`)."""
    ink = drawn(digit, size=(640, 480), height=46, middle=(250, 200), pen=4)
    assert read(session, prepare(noisy((215 - 150 * ink) * lamp((640, 480), 0.3)))) == digit


@pytest.mark.parametrize("digit", SOME)
def test_five_pixels_in_a_small_file_are_a_digit(digit: int) -> None:
    """A small scan's faint digit is no speck (`digit`: `LEAST_OF_SMALL`)."""
    page = Image.fromarray(black_on_white(drawn(digit, size=(128, 128), height=38, pen=7), 150, 250))
    prepared = prepare(np.asarray(page.resize((16, 16), Image.Resampling.BOX)))
    assert prepared.rejected is None
    assert max(np.ptp(np.flatnonzero(prepared.image.any(axis))) + 1 for axis in (0, 1)) >= 19
