"""Blank pages, specks and several digits are told by the ink alone."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import DRAWINGS, SIZE, black_on_white, drawn, lamp, shot

from service.preprocess import prepare


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("side", [10, 28, 120])
def test_an_even_page_is_blank(level: int, side: int) -> None:
    """Nothing was written on a black, a grey or a white page."""
    prepared = prepare(np.full((side, side), level, np.uint8))
    assert prepared.rejected == "blank"
    assert not prepared.image.any()


def test_a_lit_page_without_writing_is_blank() -> None:
    """Gradient, shadow and noise are no writing."""
    assert prepare(shot(np.zeros(SIZE[::-1], np.float32), lamp(SIZE, 0.5))).rejected == "blank"


def test_slivers_are_blank() -> None:
    """What is three pixels wide holds no digit."""
    assert prepare(np.random.default_rng(0).integers(0, 256, (3, 200), np.uint8)).rejected == "blank"


@pytest.mark.parametrize(("side", "speck", "rejected"), [(200, 5, "blank"), (640, 5, "blank"), (640, 8, None)])
def test_a_speck_is_no_digit(side: int, speck: int, rejected: str | None) -> None:
    """Dirt on an empty page is too small for a digit; on a large page a digit may be not much larger."""
    page = np.zeros((side, side), np.float32)
    page[side // 2 : side // 2 + speck, side // 3 : side // 3 + speck // 3 + 1] = 1
    assert prepare(black_on_white(page)).rejected == rejected


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_small_digit_on_a_large_page_is_found(digit: int) -> None:
    """A fiftieth of the page's longer side, as of a form that was scanned whole, is enough."""
    assert prepare(black_on_white(drawn(digit, size=(600, 440), height=12, pen=1))).rejected is None


@pytest.mark.parametrize("start", [120, 2], ids=["within", "at the side"])
@pytest.mark.parametrize("across", [False, True], ids=["down", "across"])
def test_what_is_left_of_a_margin_is_no_digit(*, across: bool, start: int) -> None:
    """A line of the paper that is darker for a while is still that line; a stroke beside it is written."""
    page = np.zeros((300, 300), np.float32)
    page[:, 148:151] = 0.35
    written = page.copy()
    page[start : start + 60, 148:151] = 0.9
    written[120:180, 90:96] = 0.9
    page, written = (page.T, written.T) if across else (page, written)
    light = lamp((300, 300), 0.2)
    assert prepare(shot(page, light)).rejected == "blank"
    assert prepare(shot(written, light)).rejected is None


@pytest.mark.parametrize("offset", range(-8, 9, 2))
@pytest.mark.parametrize("pitch", [0, 12, 60], ids=["margin", "narrow grid", "grid"])
def test_a_one_that_crosses_a_line_is_written(offset: int, pitch: int) -> None:
    """A slanted stroke, three times as wide as the lines that it crosses, is none of them."""
    page = drawn(1, size=(300, 300), height=120, middle=(150 + offset, 150), pen=3)
    lines = np.zeros_like(page)
    lines[:, 149:151] = 0.4
    if pitch:
        lines[::pitch] = lines[1::pitch] = 0.4
    assert prepare(shot(np.maximum(page * 0.9, lines), lamp((300, 300), 0.2))).rejected is None


@pytest.mark.parametrize(("pen", "rejected"), [(18, "several_digits"), (14, "several_digits"), (1.5, None)])
def test_digits_of_two_pens_are_several(pen: float, rejected: str | None) -> None:
    """A thick digit beside a thin one is a second digit all the same; a hair is not."""
    page = np.hstack([drawn(2, size=(150, 200), pen=7), drawn(7, size=(150, 200), pen=pen)])
    assert prepare(black_on_white(page)).rejected == rejected


@pytest.mark.parametrize("light_on_dark", [False, True])
def test_two_digits_side_by_side_are_several(*, light_on_dark: bool) -> None:
    """A number of two digits is not read as one of them."""
    page = np.hstack([drawn(3, size=(150, 200)), drawn(5, size=(150, 200))])
    picture = black_on_white(page)
    assert prepare(255 - picture if light_on_dark else picture).rejected == "several_digits"


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_digit_in_two_strokes_is_one(digit: int) -> None:
    """An open 4 or a 5 with its bar apart is not taken for two digits."""
    assert prepare(black_on_white(drawn(digit, pen=5))).rejected is None
