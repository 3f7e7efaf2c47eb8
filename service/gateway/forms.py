"""Pictures out of a multipart/form-data body that is already whole in memory."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from service.errors import RequestError

MAX_HEADER_BYTES: Final = 4096
MAX_HEADERS: Final = 16  # of one part
MAX_NAMES_SHOWN: Final = 10
MAX_NAME_SHOWN: Final = 50
# Not a library's: those end an unquoted boundary at a "=", "/" or ":", which some clients write.
_BOUNDARY: Final = re.compile(r';\s*boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    """One part of the form: its field name, its bytes, and whether it is a file rather than text."""

    name: str
    data: bytes
    is_file: bool


def parse_multipart(body: bytes, content_type: str, *, max_parts: int) -> list[Part]:
    """Split a form into its parts, in order; file names are ignored, they are the caller's own affair.

    A part's headers are read as latin-1, which every byte is: clients write file names in the encoding of their system.

    Args:
        body: the whole body.
        content_type: the header's value as latin-1, with its boundary.
        max_parts: more parts than this are refused.

    Raises:
        RequestError: no boundary, a malformed or cut-off form, or too many parts.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise RequestError(
            f"the Content-Type is {content_type[:100]!r}: a multipart form needs a boundary; "
            "let the HTTP client set this header, for example `curl -F image=@picture.png URL`"
        )
    parts: list[Part] = []
    segment, chunks = MultipartSegment([]), list[bytes]()
    try:
        with PushMultipartParser(
            (boundary[1] or boundary[2]).encode("latin-1"),
            len(body),
            max_header_size=MAX_HEADER_BYTES,
            max_header_count=MAX_HEADERS,
            max_segment_count=max_parts,
            header_charset="latin-1",
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    segment = event
                elif event:
                    chunks.append(bytes(event))
                else:
                    data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
                    parts.append(Part(segment.name or "", _decoded(data, segment), _is_file(segment)))
                    chunks = []
    except MultipartError as error:
        raise RequestError(f"the multipart form is malformed: {error}; expected complete form-data parts") from error
    return parts


def name_fields(parts: Iterable[Part]) -> str:
    """Say which fields a form has, for an error: some of their names, each cut short."""
    names = [f"'{_as_text(part.name)[:MAX_NAME_SHOWN]}'" for part in parts]
    if not names:
        return "no fields"
    shown = list(dict.fromkeys(names))[:MAX_NAMES_SHOWN]
    return f"the field{'s' * (len(names) > 1)} {', '.join(shown)}" + f" ({len(names)} parts)" * (
        len(names) > len(shown)
    )


def _as_text(name: str) -> str:
    """Read a name, which was taken for latin-1, as UTF-8, which it most often is."""
    return name.encode("latin-1").decode(errors="replace")


def _is_file(segment: MultipartSegment) -> bool:
    """Tell a file, which has a name or the media type of something else than text."""
    return (
        segment.filename is not None
        or "filename*=" in segment.header("Content-Disposition", "")
        or not segment.header("Content-Type", "text/plain").lower().startswith("text/plain")
    )


def _decoded(data: bytes, segment: MultipartSegment) -> bytes:
    """Undo a part's transfer encoding; browsers write none, `curl -F "image=@a.png;encoder=base64"` does."""
    encoding = segment.header("Content-Transfer-Encoding")
    try:
        if encoding is None:
            return data
        if encoding.lower() == "base64":
            return binascii.a2b_base64(data)
        return binascii.a2b_qp(data) if encoding.lower() == "quoted-printable" else data
    except binascii.Error:
        return data  # it is no picture then, and its reader says so, for this part alone
