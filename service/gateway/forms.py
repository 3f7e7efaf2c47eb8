"""Pictures out of a multipart/form-data body that is already whole in memory."""

from __future__ import annotations

from typing import NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from service.errors import RequestError

MAX_HEADER_BYTES = 4096
MAX_FIELDS_BESIDE_PICTURES = 64


class Part(NamedTuple):
    """One part of the form: its field name and its bytes."""

    name: str
    data: bytes


def parse_multipart(body: bytes, content_type: str, *, max_parts: int) -> list[Part]:
    """Split a form into its parts, in order; file names are ignored, they are the caller's own affair.

    Args:
        body: the whole body.
        content_type: the header's value, with its boundary.
        max_parts: more parts than this are refused.

    Raises:
        RequestError: no boundary, a malformed or cut-off form, or too many parts.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise RequestError(
            f"the Content-Type is {content_type[:100]!r}: a multipart form needs a boundary; "
            "let the HTTP client set this header, for example `curl -F image=@picture.png URL`"
        )
    parts: list[Part] = []
    name, chunks = "", list[bytes]()
    try:
        with PushMultipartParser(
            boundary, len(body), max_header_size=MAX_HEADER_BYTES, max_segment_count=max_parts
        ) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    name = event.name
                elif event:
                    chunks.append(bytes(event))
                else:
                    parts.append(Part(name, chunks[0] if len(chunks) == 1 else b"".join(chunks)))
                    chunks = []
    except MultipartError as error:
        raise RequestError(f"the multipart form is malformed: {error}; expected complete form-data parts") from error
    return parts
