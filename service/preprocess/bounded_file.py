"""A picture file whose parser cannot be kept busy with anything but its pixels."""

from __future__ import annotations

import io
from typing import Final

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
READS: Final = 20_000  # by a file's parser, each about a microsecond …
BYTES_A_READ: Final = 256  # … and one more for so many bytes of the file
MAX_PACKED: Final = 16  # compressed texts and profiles in a PNG, each of which may hold a core for 2 ms
CHUNK_BYTES: Final = 12  # of each chunk of a PNG, beside its content
SMALL_PNG: Final = 4096  # bytes; its chunks are read in order, and all that it packs is 4 MiB at most
_PACKED: Final = frozenset((b"iCCP", b"iTXt", b"zTXt"))


class BoundedFile(io.BytesIO):
    """A file with a limit on reads: without it, a million empty segments in 4 MB would take seconds.

    Pillow parses them in Python: 16 MB of empty ones in a JPEG took 2.6 s, 1 MB of compressed profiles in a PNG 2.1 s.

    Args:
        data: a whole file.

    Raises:
        ValueError: a PNG has more than `MAX_PACKED` compressed texts and profiles; from `read`: it has too many parts.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _reads(data)
        if data.startswith(PNG_SIGNATURE) and packed_parts(data) > MAX_PACKED:
            raise ValueError(f"it has more than {MAX_PACKED} compressed texts and profiles")

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does.

        Raises:
            ValueError: the limit is exceeded.
        """
        self._left -= 1
        if self._left < 0:
            raise ValueError("it has too many parts")
        return super().read(size)


def parsed_file(data: bytes) -> io.BytesIO:
    """Return the file for a parser: bounded, unless it is a PNG so small that it cannot exceed a limit.

    Counting reads costs as much as decoding a PNG of 28 × 28 pixels.

    Raises:
        ValueError: as `BoundedFile`.
    """
    return io.BytesIO(data) if len(data) <= SMALL_PNG and data.startswith(PNG_SIGNATURE) else BoundedFile(data)


def packed_parts(png: bytes) -> int:
    """Count the compressed texts and profiles of a PNG; Pillow unpacks each of them, up to 1 MiB."""
    packed, at = 0, len(PNG_SIGNATURE)
    for _ in range(_reads(png)):  # each chunk is read twice at least: no more of them are ever unpacked
        kind = png[at + 4 : at + 8]
        if not kind:
            break
        packed += kind in _PACKED
        at += CHUNK_BYTES + int.from_bytes(png[at : at + 4])
    return packed


def _reads(data: bytes) -> int:
    return READS + len(data) // BYTES_A_READ
