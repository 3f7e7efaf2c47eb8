"""Forms as clients write them are taken apart; anything else is a clear 400."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RequestError
from service.gateway.forms import Part, parse_multipart

TYPE = "multipart/form-data; boundary=xyz"


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form as curl writes it."""
    body = b""
    for name, data in parts:
        body += f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n'.encode()
        body += b"Content-Type: image/png\r\n\r\n" + data + b"\r\n"
    return body + b"--xyz--\r\n"


@given(st.lists(st.binary(max_size=300).filter(lambda data: b"--xyz" not in data), max_size=5))
def test_parts_keep_their_bytes_and_their_order(files: list[bytes]) -> None:
    """Any bytes come through unchanged, empty ones too."""
    parts = parse_multipart(form(*[("images", data) for data in files]), TYPE, max_parts=5)
    assert parts == [Part("images", data) for data in files]


def test_a_quoted_boundary_is_understood() -> None:
    """Some clients quote the boundary."""
    assert parse_multipart(form(("image", b"1")), 'multipart/form-data; boundary="xyz"', max_parts=1)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(("image", b"1")), "multipart/form-data"),
        (form(("image", b"1")), "multipart/form-data; boundary="),
        (form(("image", b"1"))[:-8], TYPE),
        (b"", TYPE),
        (b"junk", TYPE),
        (b"--xyz\r\nContent-Type: image/png\r\n\r\n1\r\n--xyz--", TYPE),
        (b"--xyz\r\n" + b"X: " + b"y" * 10_000 + b"\r\n\r\n1\r\n--xyz--", TYPE),
        (form(*[("image", b"1")] * 4), TYPE),
        (form(("image", b"1")), "multipart/form-data; boundary=other"),
    ],
)
def test_a_malformed_form_is_refused(body: bytes, content_type: str) -> None:
    """No boundary, cut off, no name, huge headers, too many parts: a 400 that says so."""
    with pytest.raises(RequestError, match=r"multipart form"):
        parse_multipart(body, content_type, max_parts=3)
