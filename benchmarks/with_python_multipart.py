"""python-multipart, which Starlette and FastAPI use, in the place of `multipart` in service/gateway/forms.py."""

from __future__ import annotations

from python_multipart.multipart import MultipartParser, parse_options_header

from service.api import picture_bodies
from service.gateway.forms import Part


def change() -> None:
    """Split every form by it."""
    picture_bodies.parse_multipart = parse_multipart  # type: ignore[attr-defined]


def parse_multipart(body: bytes, content_type: str, *, max_parts: int) -> list[Part]:
    """Do what service/gateway/forms.py does, but for its limits, encodings and errors."""
    parts: list[Part] = []
    data, field, value, disposition = bytearray(), bytearray(), bytearray(), [b""]

    def end_header() -> None:
        if field.lower() == b"content-disposition":
            disposition[0] = bytes(value)
        field.clear()
        value.clear()

    def end_part() -> None:
        options = parse_options_header(disposition[0])[1]
        parts.append(Part(options.get(b"name", b"").decode(), bytes(data), b"filename" in options))
        data.clear()

    parser = MultipartParser(
        parse_options_header(content_type)[1][b"boundary"],
        {
            "on_header_field": lambda given, start, end: field.extend(given[start:end]),
            "on_header_value": lambda given, start, end: value.extend(given[start:end]),
            "on_header_end": end_header,
            "on_part_data": lambda given, start, end: data.extend(given[start:end]),
            "on_part_end": end_part,
        },
    )
    parser.write(body)
    parser.finalize()
    return parts[:max_parts]
