"""What HEIC and AVIF have that other formats have not: tiles, boxes that turn, deep colours, a primary picture."""

from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
from drawings import as_file, black_on_white, drawn, read
from PIL import Image

from service.errors import PictureTooLarge, UndecodablePicture
from service.model.session import DigitSession
from service.preprocess import decode, preprocess

BOTH = pytest.mark.parametrize("kind", ["AVIF", "HEIF"])


def turned(orientation: int) -> bytes:
    """Note an orientation as EXIF; the encoders make boxes of it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def announcing(data: bytes, width: int, height: int) -> bytes:
    """Let the header say another size than the pixels have."""
    changed, at = bytearray(data), 0
    while (at := changed.find(b"ispe", at)) >= 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
        at += 16
    return bytes(changed)


@BOTH
def test_pixels_are_those_of_the_same_picture_as_png(kind: str) -> None:
    """Upright and turned, in size and in shades, up to what the lossy formats lose."""
    picture = Image.fromarray(black_on_white(drawn(7, size=(300, 420)), 40, 220)).convert("RGB")
    for orientation in (1, 6):
        ours = decode(as_file(picture, kind, quality=90, exif=turned(orientation))).astype(int)
        theirs = decode(as_file(picture, exif=turned(orientation))).astype(int)
        assert ours.shape == theirs.shape
        assert abs(ours - theirs).mean() < 2


@BOTH
def test_the_camera_s_own_note_of_a_turn_does_not_count_twice(kind: str) -> None:
    """An iPhone writes the turn as a box and as EXIF; the standard says that the box alone counts."""
    assert decode(as_file(Image.new("L", (60, 40), 255), kind, exif=turned(6))).shape == (60, 40)


def test_a_note_alone_turns_no_heic() -> None:
    """Without the box there is no turn, whatever EXIF says: viewers show it so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = as_file(Image.new("L", (60, 40), 255), "HEIF", exif=exif)
    assert exif.tobytes()[6:] in data
    assert b"irot" not in data
    assert decode(data).shape == (40, 60)


def test_tiles_are_put_together(session: DigitSession) -> None:
    """An iPhone cuts a photo into tiles; the last ones reach over the edge."""
    page = Image.fromarray(black_on_white(drawn(5, size=(700, 500), height=400, pen=30))).convert("RGB")
    data = as_file(page, "HEIF", tile_size=256)
    assert data.count(b"hvc1") > 4
    assert read(session, preprocess(data)) == 5


@pytest.mark.parametrize("mode", ["RGB;16", "I;16"])
def test_ten_bits_are_read(session: DigitSession, mode: str) -> None:
    """Deep colours and deep greys come out as eight bits."""
    grey = black_on_white(drawn(2)).astype(np.uint16) * 257
    deep = np.repeat(grey[..., None], 3, 2) if mode == "RGB;16" else grey
    file = io.BytesIO()
    pillow_heif.from_bytes(mode, grey.shape[::-1], deep.tobytes()).save(file, quality=80)
    assert read(session, preprocess(file.getvalue())) == 2


@pytest.mark.parametrize(("kind", "options"), [("AVIF", {}), ("HEIF", {"primary_index": 0})], ids=str)
def test_of_several_frames_the_first_counts(session: DigitSession, kind: str, options: dict[str, int]) -> None:
    """An animation, and a file of several pictures; frames of other sizes too."""
    first, *rest = (Image.fromarray(black_on_white(drawn(digit))).convert("RGB") for digit in (7, 2, 5))
    data = as_file(first, kind, save_all=True, append_images=rest, **options)
    assert read(session, preprocess(data)) == 7


def test_the_primary_picture_counts_wherever_it_stands(session: DigitSession) -> None:
    """HEIC names the picture to show; it need not be the first."""
    pages = [Image.fromarray(black_on_white(drawn(digit))).convert("RGB") for digit in (7, 2)]
    assert (
        read(session, preprocess(as_file(pages[0], "HEIF", save_all=True, append_images=pages[1:], primary_index=1)))
        == 2
    )


@BOTH
def test_either_may_be_called_by_the_general_brand(session: DigitSession, kind: str) -> None:
    """Android's files begin with `mif1`, which says neither HEIC nor AVIF."""
    data = as_file(black_on_white(drawn(2)), kind)
    assert read(session, preprocess(data[:8] + b"mif1" + data[12:])) == 2


@BOTH
def test_a_size_above_the_limit_is_refused_by_the_header(kind: str) -> None:
    """As with the other formats, in the same words, and even where the decoder itself would not go on."""
    data = as_file(Image.new("RGB", (200, 100), "white"), kind)
    with pytest.raises(PictureTooLarge, match="200 x 100 = 20000 pixels; the limit is 19999"):
        preprocess(data, max_pixels=19_999)
    for side in (9_000, 60_000, 2**31):
        with pytest.raises(PictureTooLarge):
            preprocess(announcing(data, side, side))


def test_a_header_that_makes_the_picture_small_does_not_let_it_through() -> None:
    """The HEIC decoder checks the coded size against the header before it decodes."""
    data = as_file(Image.new("RGB", (1500, 1500), "white"), "HEIF")
    with pytest.raises(UndecodablePicture, match="exceeds"):
        preprocess(announcing(data, 100, 100))


@pytest.mark.parametrize("options", [{}, {"tile_size": 256}], ids=["one picture", "tiles"])
@BOTH
def test_a_file_that_was_cut_off_is_refused(kind: str, options: dict[str, int]) -> None:
    """At whatever byte; the decoder of tiles would show those that are there."""
    page = Image.fromarray(black_on_white(drawn(5, size=(600, 500), height=400))).convert("RGB")
    data = as_file(page, kind, **options)
    for cut in (*range(1, len(data), len(data) // 25), len(data) - 1):
        with pytest.raises(UndecodablePicture):
            preprocess(data[:cut])


@BOTH
def test_what_hangs_behind_the_file_does_no_harm(session: DigitSession, kind: str) -> None:
    """Some telephones put data of their own there."""
    assert read(session, preprocess(as_file(black_on_white(drawn(2)), kind) + b"\xff" * 1000)) == 2
