"""Every array of uint8 has an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFilter

from service.preprocess import Prepared, prepare

SIDES = st.one_of(st.integers(1, 40), st.integers(1, 400))


def is_an_answer(prepared: Prepared) -> bool:
    """Tell whether this is what the network takes, with ink in it or a reason why not."""
    image = prepared.image
    return image.shape == (28, 28) and image.dtype == np.uint8 and (prepared.rejected is not None or bool(image.any()))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(arrays(np.uint8, st.tuples(st.integers(1, 36), st.integers(1, 36))))
def test_any_small_array_has_an_answer(picture: np.ndarray) -> None:
    """Hypothesis looks for an array that raises."""
    assert is_an_answer(prepare(picture))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    size=st.tuples(SIDES, SIDES),
    seed=st.integers(0, 10_000),
    shapes=st.integers(1, 20),
    blur=st.sampled_from([0, 0, 2]),
    colour=st.booleans(),
)
def test_any_drawing_of_boxes_and_rings_has_an_answer(
    size: tuple[int, int], seed: int, shapes: int, blur: int, *, colour: bool
) -> None:
    """Boxes and rings of any size and shade, cut by the edges, sharp and blurred, grey and coloured."""
    rng = np.random.default_rng(seed)
    page = Image.new("RGB" if colour else "L", size, tuple(rng.integers(0, 256, 3).tolist()) if colour else 255)
    brush = ImageDraw.Draw(page)
    for _ in range(shapes):
        x, y = (
            sorted(rng.integers(-20, max(size) + 20, 2).tolist()),
            sorted(rng.integers(-20, max(size) + 20, 2).tolist()),
        )
        shade = tuple(rng.integers(0, 256, 3).tolist()) if colour else int(rng.integers(256))
        draw = brush.rectangle if rng.random() < 0.5 else brush.ellipse
        draw((x[0], y[0], x[1], y[1]), fill=shade if rng.random() < 0.5 else None, outline=shade, width=1)
    if blur:
        page = page.filter(ImageFilter.GaussianBlur(blur))
    assert is_an_answer(prepare(np.asarray(page)))


@pytest.mark.parametrize("side", [48, 60, 72, 95, 205, 640])
def test_a_grid_of_squares_has_an_answer(side: int) -> None:
    """A menu's icon of nine squares, which ended in an IndexError once, has no digit in it."""
    grid = np.zeros((48, 48), np.uint8)
    for top in (4, 19, 34):
        for left in (4, 19, 34):
            grid[top : top + 10, left : left + 10] = 255
    picture = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC))
    for turned in (picture, 255 - picture):
        assert prepare(turned).rejected == "several_digits"


@pytest.mark.parametrize("side", [1, 3, 28, 100, 320, 640])
@pytest.mark.parametrize("kind", ["checkerboard", "stripes", "noise", "blank"])
def test_the_worst_pictures_have_an_answer(kind: str, side: int) -> None:
    """What has the most pieces and the most edges is answered like everything else."""
    rows, columns = np.indices((side, side))
    picture = {
        "checkerboard": (rows + columns) % 2 * 255,
        "stripes": rows % 2 * 255,
        "noise": np.random.default_rng(0).integers(0, 256, (side, side)),
        "blank": np.full((side, side), 200),
    }[kind]
    assert is_an_answer(prepare(picture.astype(np.uint8)))
