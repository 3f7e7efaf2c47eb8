"""What comes out has MNIST's layout, whatever the canvas, the pen and the polarity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawings import DRAWINGS, alike, as_file, black_on_white, drawn, read
from hypothesis import given, settings
from hypothesis import strategies as st

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import prepare, preprocess, preprocess_at_once


@pytest.mark.parametrize("digit", DRAWINGS)
def test_a_drawing_comes_out_in_mnist_s_layout(digit: int) -> None:
    """The longer side is 20 pixels, the centre of mass within half a pixel of (14, 14), full ink 255, paper 0."""
    image = prepare(black_on_white(drawn(digit))).image
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (20, 21)
    weights = image / image.sum()
    assert weights.sum(1) @ np.arange(28) == pytest.approx(14, abs=0.5)
    assert weights.sum(0) @ np.arange(28) == pytest.approx(14, abs=0.5)
    assert image.max() == 255


def test_an_mnist_picture_passes_untouched() -> None:
    """White on black, in a 20x20 box, centred by mass: not a pixel changes."""
    image = prepare(black_on_white(drawn(3))).image
    again = preprocess(as_file(image))
    assert np.array_equal(again.image, image)
    assert again.rejected is None


MODELS = Path(__file__).resolve().parents[3] / "models" / "digits"


@pytest.mark.parametrize("digit", DRAWINGS)
def test_every_stroke_width_becomes_one_the_network_knows(session: DigitSession, digit: int) -> None:
    """From one pixel on a 500-pixel canvas to a fifth of the height, the answer is the digit."""
    for pen in (1, 4, 20, 70):
        ink = drawn(digit, size=(500, 500), height=350, pen=pen)
        assert read(session, prepare(black_on_white(ink))) == digit, f"a pen of {pen} pixels"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    digit=st.sampled_from(sorted(DRAWINGS)),
    width=st.integers(90, 600),
    height=st.integers(90, 600),
    share=st.floats(0.3, 0.8),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    light_on_dark=st.booleans(),
)
def test_polarity_scale_position_and_canvas_do_not_change_the_answer(
    digit: int, width: int, height: int, share: float, x: float, y: float, *, light_on_dark: bool
) -> None:
    """Whatever the canvas and wherever the digit is on it, black on white or white on black, the answer is the same."""
    size = share * min(width, height)
    room = [(side - 1.15 * size) / 2 for side in (width, height)]
    middle = (width / 2 + (2 * x - 1) * room[0], height / 2 + (2 * y - 1) * room[1])
    picture = black_on_white(drawn(digit, size=(width, height), height=size, middle=middle, pen=0.1 * size))
    prepared = prepare(255 - picture if light_on_dark else picture)
    reference = prepare(black_on_white(drawn(digit)))
    assert prepared.rejected is None
    assert alike(prepared, reference) > 0.85
    assert read(_shared_session(), prepared) == digit


_SESSIONS: list[DigitSession] = []


def _shared_session() -> DigitSession:
    """Open the model once for the property test, which may use no fixture that is made anew for each example."""
    if not _SESSIONS:
        _SESSIONS.append(DigitSession(load_artifact(MODELS), "cpu"))
    return _SESSIONS[0]


def test_only_what_needs_no_look_is_prepared_at_once() -> None:
    """The event loop prepares MNIST's layout and blank pages, exactly as ever, and leaves the rest to a thread."""
    image = prepare(black_on_white(drawn(3))).image
    for picture in (image, np.full((28, 28), 200, np.uint8)):
        at_once, ever = preprocess_at_once(as_file(picture)), preprocess(as_file(picture))
        assert at_once is not None
        assert (at_once.rejected, at_once.image.tolist()) == (ever.rejected, ever.image.tolist())
    for picture in (255 - image, np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)):
        assert preprocess_at_once(as_file(picture)) is None
