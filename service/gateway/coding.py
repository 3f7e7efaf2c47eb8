"""Content codings: request bodies are decompressed while they arrive, large answers are compressed.

Brotli and Zstandard would be one more package each (1.4 MB; in the standard library from Python 3.14 on), and no client
that we know of compresses a request by them.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from service.errors import RequestError, UnsupportedEncoding

if TYPE_CHECKING:
    from service.gateway.messages import Reply

PIECE: Final = 256 * 1024  # bytes that are inflated at a time, which takes about a millisecond
MAX_MEMBERS: Final = 1024  # gzip files in a row, as some tools write them; each costs about 20 µs, however small
PAYS: Final = 14_600  # bytes that a server may send before the client's first acknowledgement (RFC 6928)
_SLICE: Final = 64 * 1024
_LEVEL: Final = 1
_GZIP: Final = 31  # as zlib's wbits
_ZLIB: Final = 15
_NAMES: Final = {b"gzip": b"gzip", b"x-gzip": b"gzip", b"deflate": b"deflate"}
_ACCEPTED: Final = re.compile(
    rb"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*(?:1|0?\.0*[1-9])[\d.]*\s*)?(?:,|$)", re.IGNORECASE
)
_VARY: Final = (b"vary", b"accept-encoding")


class Inflater:
    """Decompresses a body piece by piece.

    Args:
        coding: gzip, or deflate, which some clients send with and some without zlib's header (RFC 9110, 8.4.1.2).
    """

    def __init__(self, coding: bytes) -> None:
        self._coding = coding
        self._head = b""  # of a deflate stream, until its kind is known
        self._members = 0
        self._stream: zlib._Decompress | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes, at most PIECE at a time.

        Raises:
            RequestError: they are damaged, or more follows than one deflate stream or MAX_MEMBERS gzip files.
        """
        if self._coding == b"deflate" and self._stream is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
        for start in range(0, len(data), _SLICE):
            yield from self._inflate(data[start : start + _SLICE])

    def end(self) -> None:
        """Check that the body was complete; an empty one is.

        Raises:
            RequestError: it was cut off.
        """
        if (self._head and self._stream is None) or (self._stream is not None and not self._stream.eof):
            raise self._damaged("it is cut off")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        is_full = False
        while data or is_full:
            if self._stream is None or self._stream.eof:
                self._stream = self._next(data)
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error as error:
                raise self._damaged(str(error)) from error
            is_full = len(piece) == PIECE and not self._stream.eof
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece

    def _next(self, data: bytes) -> zlib._Decompress:
        self._members += 1
        if self._coding == b"gzip":
            if self._members > MAX_MEMBERS:
                raise self._damaged(f"it has more than {MAX_MEMBERS} gzip members")
            return zlib.decompressobj(_GZIP)
        if self._members > 1:
            raise self._damaged("more follows after its end")
        has_header = data[0] & 15 == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
        return zlib.decompressobj(_ZLIB if has_header else -_ZLIB)

    def _damaged(self, how: str) -> RequestError:
        coding = self._coding.decode()
        return RequestError(
            f"the body is not whole {coding}, as Content-Encoding says: {how}; send it again, or as it is"
        )


def inflater(header: bytes) -> Inflater | None:
    """Return the decompressor for a Content-Encoding header; None if there is no coding.

    Raises:
        UnsupportedEncoding: it is not gzip or deflate, or more than one.
    """
    name = header.strip().lower()
    if name in (b"", b"identity"):
        return None
    if name not in _NAMES:
        raise UnsupportedEncoding(
            f"the Content-Encoding is {header[:100].decode('latin-1')!r}, expected gzip, deflate or none; "
            "pictures are compressed already, so send them as they are"
        )
    return Inflater(_NAMES[name])


async def compressed(reply: Reply, accepts: bytes) -> Reply:
    """Compress an answer of PAYS bytes or more in a thread, if Accept-Encoding allows gzip."""
    headers = (*reply.headers, _VARY)
    if not _ACCEPTED.search(accepts):
        return reply._replace(headers=headers)
    loop = asyncio.get_running_loop()
    body = await loop.run_in_executor(None, lambda: zlib.compress(reply.body, _LEVEL, wbits=_GZIP))
    return reply._replace(body=body, headers=(*headers, (b"content-encoding", b"gzip")))
