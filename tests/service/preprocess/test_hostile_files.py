"""Whatever bytes come, the caller gets an answer or one of the two errors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drawings import as_file, black_on_white, drawn, header_only
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.errors import PictureTooLarge, UndecodablePicture
from service.preprocess import prepare, preprocess


def test_a_bomb_costs_nothing() -> None:
    """60,000 x 60,000 pixels are refused on the header, before a pixel is decoded."""
    before = time.process_time()
    with pytest.raises(PictureTooLarge, match="60000"):
        preprocess(header_only(60_000, 60_000))
    assert time.process_time() - before < 0.5


def test_the_limit_is_the_caller_s() -> None:
    """One pixel more than the limit is refused, the limit itself is not."""
    data = as_file(np.zeros((10, 10), np.uint8))
    assert preprocess(data, max_pixels=100).rejected == "blank"
    with pytest.raises(PictureTooLarge, match="10 x 10 = 100 pixels; the limit is 99"):
        preprocess(data, max_pixels=99)


@pytest.mark.parametrize(
    "data",
    [b"", b"digit", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", header_only(20, 20)[:40]],
    ids=["empty", "text", "svg", "pdf", "cut header"],
)
def test_what_is_no_picture_is_said_to_be_none(data: bytes) -> None:
    """The message names the size of the body and the formats that would do."""
    with pytest.raises(UndecodablePicture, match=rf"{len(data)} bytes.*PNG, JPEG"):
        preprocess(data)


@pytest.mark.parametrize("kind", ["PPM", "ICO", "PCX", "TGA", "EPS", "PDF"])
def test_other_formats_are_not_decoded(kind: str) -> None:
    """A decoder that nobody needs is one that nobody can attack."""
    with pytest.raises(UndecodablePicture):
        preprocess(as_file(Image.new("RGB", (32, 32)), kind))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "HEIF"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_damaged_files_are_the_caller_s_mistake(kind: str, data: st.DataObject) -> None:
    """Whatever the decoder throws on changed or missing bytes, the caller gets one of the two errors, or an answer."""
    body = bytearray(as_file(black_on_white(drawn(2, size=(40, 40), height=28, pen=3)), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    try:
        prepared = preprocess(bytes(body))
    except (UndecodablePicture, PictureTooLarge):
        return
    assert prepared.image.shape == (28, 28)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    height=st.integers(1, 130),
    width=st.integers(1, 130),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.01, 0.5, 1]),
)
def test_any_pixels_give_an_image(height: int, width: int, seed: int, share: float) -> None:
    """No shape and no content makes it fail: uint8 [28, 28] always comes out."""
    rng = np.random.default_rng(seed)
    pixels = np.where(rng.random((height, width)) < share, rng.integers(0, 256, (height, width)), 255).astype(np.uint8)
    prepared = prepare(pixels)
    assert prepared.image.shape == (28, 28)
    assert prepared.image.dtype == np.uint8


def test_threads_do_not_disturb_each_other() -> None:
    """Eight pictures prepared at once are the same as one after the other."""
    files = [as_file(black_on_white(drawn(digit)), kind) for digit in (0, 2, 5, 7) for kind in ("PNG", "JPEG")]
    alone = [preprocess(data).image for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = [prepared.image for prepared in pool.map(preprocess, files * 4)]
    assert all(np.array_equal(image, alone[place % 8]) for place, image in enumerate(together))
