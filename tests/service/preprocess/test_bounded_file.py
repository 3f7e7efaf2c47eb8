"""Files of which everything but the pixels costs the most are refused, and people's files are not."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from drawings import as_file

from service.errors import UndecodablePicture
from service.preprocess import preprocess, preprocess_at_once
from service.preprocess.bounded_file import BYTES_A_READ, MAX_PACKED, READS, SMALL_PNG, BoundedFile, parsed_file

BLANK = np.full((28, 28), 200, np.uint8)
MEBIBYTE_PACKED = zlib.compress(bytes(2**20), 9)
PACKED = {
    "profile": (b"iCCP", b"a\0\0" + MEBIBYTE_PACKED),
    "text": (b"zTXt", b"a\0\0" + MEBIBYTE_PACKED),
    "international text": (b"iTXt", b"a\0\1\0\0\0" + MEBIBYTE_PACKED),
}


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Write one chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def blank_with(parts: bytes, kind: str = "PNG", at: int = 33) -> bytes:
    """Put parts into a blank picture's file, after a PNG's first chunk."""
    data = as_file(BLANK, kind)
    return data[:at] + parts + data[at:]


def blank_gif_with(parts: bytes) -> bytes:
    """Put parts into a blank GIF, after its colours."""
    colours = 3 << (as_file(BLANK, "GIF")[10] % 8 + 1)
    return blank_with(parts, "GIF", 13 + colours)


@pytest.mark.parametrize(
    "data",
    [
        blank_with(chunk(b"abCd") * 2 * READS),
        blank_with(chunk(b"tEXt", b"a\0") * 2 * READS),
        blank_with(b"\xff\xfe\x00\x02" * 2 * READS, "JPEG", 2),
        blank_with(b"\xff\xe1\x00\x02" * 2 * READS, "JPEG", 2),
        blank_with(b"\xff" * 20 * READS, "JPEG", 2),
        blank_gif_with(b"\x21\xfe\x01a\x00" * 2 * READS),
        blank_gif_with(b"a" * 20 * READS),
    ],
    ids=["PNG, unknown", "PNG, text", "JPEG, comments", "JPEG, APP1", "JPEG, filling", "GIF, comments", "GIF, junk"],
)
def test_a_file_of_many_empty_parts_is_refused(data: bytes) -> None:
    """Each part would take a microsecond of Python, and a body holds four million."""
    with pytest.raises(UndecodablePicture, match="it has too many parts"):
        preprocess(data)


@pytest.mark.parametrize("kind", PACKED)
def test_a_png_of_many_packed_texts_is_refused(kind: str) -> None:
    """Each would be unpacked to 1 MiB; those that are allowed are read over."""
    part = chunk(*PACKED[kind])
    assert preprocess(blank_with(part * MAX_PACKED)).rejected == "blank"
    with pytest.raises(UndecodablePicture, match=f"it has more than {MAX_PACKED} compressed texts and profiles"):
        preprocess(blank_with(part * (MAX_PACKED + 1)))


@pytest.mark.parametrize("kind", PACKED)
def test_the_event_loop_unpacks_nothing(kind: str) -> None:
    """One of them takes longer than the whole rest of a small picture, and so goes to a thread."""
    assert preprocess_at_once(blank_with(b"")) is not None
    assert preprocess_at_once(blank_with(chunk(*PACKED[kind]))) is None


def test_a_picture_in_small_chunks_is_read() -> None:
    """As many chunks as a picture of 4,000 rows has when each row is one."""
    data = as_file(BLANK)
    rows = chunk(b"abCd", bytes(80)) * 4_000
    assert preprocess(data[:33] + rows + data[33:]).rejected == "blank"


def test_a_large_file_may_be_read_more_often() -> None:
    """In proportion to its size; then never again."""
    file = BoundedFile(bytes(10 * BYTES_A_READ))
    for _ in range(READS + 10):
        file.read(1)
    with pytest.raises(ValueError, match="it has too many parts"):
        file.read(1)


def test_a_small_png_cannot_exceed_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is parsed without counting, which costs as much as decoding it: full of empty parts it has few enough."""
    small = blank_with(chunk(b"tEXt", b"a\0") * 250)
    assert len(small) <= SMALL_PNG
    assert type(parsed_file(small)) is io.BytesIO
    assert isinstance(parsed_file(small + bytes(SMALL_PNG)), BoundedFile)
    assert isinstance(parsed_file(as_file(BLANK, "GIF")), BoundedFile)
    files: list[BoundedFile] = []
    module = sys.modules["service.preprocess.decode"]  # the package has a function of that name
    monkeypatch.setattr(module, "parsed_file", lambda data: files.append(BoundedFile(data)) or files[-1])
    preprocess(small)
    assert files[0]._left > READS // 2
