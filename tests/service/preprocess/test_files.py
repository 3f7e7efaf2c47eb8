"""Every kind of file is read."""

from __future__ import annotations

import numpy as np
import pytest
from drawings import as_file, black_on_white, drawn, read
from PIL import Image

from service.contract import FORMATS
from service.model.session import DigitSession
from service.preprocess import decode, prepare, preprocess
from service.preprocess.decode import decode_for
from service.preprocess.pipeline import COARSE


@pytest.mark.parametrize("kind", [each.name for each in FORMATS])
def test_every_format_is_read(session: DigitSession, kind: str) -> None:
    """The same drawing gives the same answer from all formats."""
    assert read(session, preprocess(as_file(black_on_white(drawn(2)), kind))) == 2


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "HEIF"])
def test_a_turned_photo_is_turned_back(session: DigitSession, kind: str) -> None:
    """Orientations 1 to 8, in EXIF or in the boxes of HEIC and AVIF, all show an upright digit."""
    upright = Image.fromarray(black_on_white(drawn(7, size=(200, 260))))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, turn in undo.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if turn is None else upright.transpose(turn)
        assert read(session, preprocess(as_file(stored, kind, exif=exif.tobytes()))) == 7, f"orientation {orientation}"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("colour", [0, 255], ids=["black", "white"])
def test_nothing_is_a_background(session: DigitSession, colour: int, kind: str) -> None:
    """Black and white strokes on a transparent ground are both read."""
    alpha = (drawn(2) * 255).astype(np.uint8)
    rgb = np.full((*alpha.shape, 3), colour, np.uint8)
    assert read(session, preprocess(as_file(np.dstack([rgb, alpha]), kind))) == 2


def test_odd_modes_are_read(session: DigitSession) -> None:
    """Palette, 16 and 12 bits, CMYK, one bit, and grey with alpha."""
    picture = Image.fromarray(black_on_white(drawn(2)))
    grey = np.asarray(picture).astype(np.uint16)
    files = {
        "palette": as_file(picture.convert("RGB").quantize(8)),
        "palette with a transparent colour": as_file(picture.quantize(2), transparency=0),
        "16 bits": as_file(Image.fromarray(grey * 257)),
        "12 bits": as_file(Image.fromarray(grey * 16), "TIFF"),
        "float": as_file(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"),
        "CMYK": as_file(picture.convert("CMYK"), "JPEG"),
        "one bit": as_file(picture.convert("1")),
        "grey and alpha": as_file(picture.convert("LA")),
    }
    for name, data in files.items():
        assert read(session, preprocess(data)) == 2, name


def test_a_large_photo_is_decoded_small() -> None:
    """Twelve megapixels reach the pipeline as a few hundred thousand."""
    grey = decode(as_file(Image.new("L", (4000, 3000), 200), "JPEG"))
    assert max(grey.shape) <= 640


@pytest.mark.parametrize(
    ("size", "whole", "halved"),
    [
        ((640, 480), (480, 640), True),
        ((321, 320), (320, 321), True),
        ((1280, 720), (360, 640), True),
        ((320, 639), (639, 320), True),
        ((500, 1), (1, 500), False),
        ((320, 320), (320, 320), False),
        ((641, 333), (167, 321), False),
        ((2800, 2700), (338, 350), False),
    ],
)
def test_a_jpeg_is_decoded_at_half_size_only_where_it_would_be_halved_anyway(
    size: tuple[int, int], whole: tuple[int, int], halved: bool
) -> None:
    """The decoder has no scale between 1 and 1/2, and none below 1/8."""
    file = as_file(np.full(size[::-1], 200, np.uint8), "JPEG")
    shape = tuple(-(-side // 2) for side in whole) if halved else whole
    assert decode(file).shape == whole
    assert (decode_for(COARSE, file).pixels.shape, decode_for(COARSE, file).halved) == (shape, halved)


@pytest.mark.parametrize("height", [30, 60, 90, 200, 400])
def test_a_halved_jpeg_shows_the_same_digit(session: DigitSession, height: float) -> None:
    """A digit that is small at half size is looked at in the whole picture."""
    file = as_file(black_on_white(drawn(3, size=(640, 480), height=height, pen=height / 12)), "JPEG", quality=95)
    assert decode_for(COARSE, file).halved
    whole, halved = prepare(decode(file)), preprocess(file)
    assert read(session, whole) == read(session, halved) == 3
    assert np.abs(whole.image.astype(int) - halved.image).mean() < 6
