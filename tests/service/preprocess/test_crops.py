"""Soft drawings and tight crops keep their polarity and their strokes."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import DRAWINGS, black_on_white, drawn, read
from PIL import Image, ImageFilter

from service.model.session import DigitSession
from service.preprocess import prepare


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("blur", [2, 3.5, 6])
@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_soft_drawing_keeps_its_polarity(
    session: DigitSession, digit: int, blur: float, *, light_on_dark: bool
) -> None:
    """A small picture that was enlarged has no sharp edge, and its dark ground is still no ink."""
    page = Image.fromarray(black_on_white(drawn(digit, size=(280, 280), height=180, pen=13)))
    soft = np.asarray(page.filter(ImageFilter.GaussianBlur(blur)))
    assert read(session, prepare(255 - soft if light_on_dark else soft)) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", [0, 2, 3, 5, 7])
def test_a_tight_crop_keeps_its_polarity(session: DigitSession, digit: int, *, light_on_dark: bool) -> None:
    """A thick digit cut along its ink has more ink than paper on its border, and is read all the same."""
    ink = drawn(digit, pen=20)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    picture = black_on_white(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    assert read(session, prepare(255 - picture if light_on_dark else picture)) == digit


@pytest.mark.parametrize("light_on_dark", [False, True])
@pytest.mark.parametrize("digit", [0, 2, 3, 5])
def test_a_thick_digit_in_a_small_crop_keeps_its_polarity(
    session: DigitSession, digit: int, *, light_on_dark: bool
) -> None:
    """The ink covers half of the picture or more, and leaves an even border of a few pixels."""
    ink = drawn(digit, size=(58, 80), height=60, pen=15)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 4)
    pixels = np.asarray(Image.fromarray(black_on_white(ink)).filter(ImageFilter.GaussianBlur(1)))
    assert read(session, prepare(255 - pixels if light_on_dark else pixels)) == digit


@pytest.mark.parametrize("digit", DRAWINGS)
def test_sixteen_pixels_are_enough(session: DigitSession, digit: int) -> None:
    """A digit of 16x16 pixels that touches all sides is read, grey and binary."""
    ink = drawn(digit, pen=9)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    crop = Image.fromarray(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    scale = 16 / max(crop.size)
    size = (max(1, round(crop.width * scale)), max(1, round(crop.height * scale)))
    grey = np.zeros((16, 16), np.float32)
    left, top = (16 - size[0]) // 2, (16 - size[1]) // 2
    grey[top : top + size[1], left : left + size[0]] = np.asarray(crop.resize(size, Image.Resampling.BOX))
    assert read(session, prepare(black_on_white(grey, 255, 0))) == digit
    assert read(session, prepare(black_on_white((grey > 0.45).astype(np.float32)))) == digit
