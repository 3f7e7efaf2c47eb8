"""Light, shadows, printed lines and other things around the digit are no ink."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import SIZE, black_on_white, drawn, lamp, read, shot
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.model.session import DigitSession
from service.preprocess import prepare


@pytest.fixture
def photo() -> NDArray[np.float32]:
    """A 5 in the middle of a page, float32 of 0…1."""
    return drawn(5, size=SIZE, height=130, pen=11)


def test_a_falling_light_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """The far corner of the paper is darker than the ink under the lamp."""
    assert read(session, prepare(shot(photo, lamp(SIZE, 0.8)))) == 5


def test_a_vignette_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """Dark corners all around do not count."""
    x, y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]))
    assert read(session, prepare(shot(photo, (1 - 0.35 * (x**2 + y**2)).astype(np.float32)))) == 5


def test_the_edge_of_a_shadow_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A hard shadow runs right through the digit."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    assert read(session, prepare(shot(photo, np.where(x + 0.3 * y > 240, 0.55, 1).astype(np.float32)))) == 5


def test_a_band_of_light_is_not_the_ink_of_a_drawing(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """Sun through a gap puts two even levels on the page, as a drawing has them; the writing is neither."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    band = 0.6 + 0.4 * np.clip((50 - np.abs(y - 0.5 * x - 50)) / 24 + 0.5, 0, 1)
    assert read(session, prepare(shot(photo, band.astype(np.float32)))) == 5


@pytest.mark.parametrize("digit", [1, 4, 7])
def test_a_long_straight_stroke_is_no_printed_line(session: DigitSession, digit: int) -> None:
    """Bars and stems that are longer than half of the photo stay, also near its side."""
    ink = drawn(digit, size=(300, 220), height=190, middle=(240, 110), pen=9)
    assert read(session, prepare(shot(ink, lamp((300, 220), 0.2)))) == digit


def test_faint_pencil_is_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A stroke that takes a fifth of the light away is read, under a falling light."""
    assert read(session, prepare(shot(photo * 0.25, lamp(SIZE, 0.4)))) == 5


@pytest.mark.parametrize("grid", [False, True], ids=["lined", "grid"])
def test_printed_lines_are_no_ink(session: DigitSession, photo: NDArray[np.float32], *, grid: bool) -> None:
    """Lines that cross the digit go, and the strokes that they cross stay."""
    lines = photo.copy()
    lines[20::40] = np.maximum(lines[20::40], 0.5)
    if grid:
        lines[:, 15::40] = np.maximum(lines[:, 15::40], 0.5)
    assert read(session, prepare(shot(lines, lamp(SIZE, 0.2)))) == 5


def test_a_ring_binding_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A row of black holes along the side is darker than the pen and does not count."""
    holes = Image.fromarray(photo)
    for y in range(15, SIZE[1], 30):
        ImageDraw.Draw(holes).ellipse([12, y - 8, 28, y + 8], fill=1.0)
    assert read(session, prepare(shot(np.asarray(holes), lamp(SIZE, 0.2)))) == 5


def test_a_table_beside_the_paper_is_no_ink(session: DigitSession, photo: NDArray[np.float32]) -> None:
    """A dark strip along one side is a table."""
    table = photo.copy()
    table[:, -45:] = 0.8
    assert read(session, prepare(shot(table, lamp(SIZE, 0.2)))) == 5


def test_the_box_of_a_form_is_no_ink(session: DigitSession) -> None:
    """A scanned field with its four printed lines shows only what was written into it."""
    ink = drawn(5, size=(60, 70), height=42, pen=3.5)
    for line in (ink[3:5], ink[-5:-3], ink[:, 3:5], ink[:, -5:-3]):
        line[...] = 0.9
    assert read(session, prepare(black_on_white(ink, 30, 245))) == 5


@pytest.mark.parametrize("digit", [2, 5, 7])
def test_a_comb_and_a_box_that_is_cut_off_are_no_ink(session: DigitSession, digit: int) -> None:
    """What a form's field leaves in a narrow crop: a line below, and stubs that rise from it at both sides."""
    ink = drawn(digit, size=(46, 60), height=38, pen=2.5)
    ink[-5:-2] = ink[-25:, 1:4] = ink[-25:, -4:-1] = 0.8
    assert read(session, prepare(black_on_white(ink, 60, 235))) == digit
