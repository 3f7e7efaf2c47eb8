"""Forms as clients write them are taken apart; anything else is a clear 400."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RequestError
from service.gateway.forms import Part, name_fields
from service.gateway.forms import parse_multipart as parse_whole

TYPE = "multipart/form-data; boundary=xyz"


def parse_multipart(body: bytes, content_type: str, *, max_parts: int) -> list[tuple[str, bytes]]:
    """Names and bytes of the parts."""
    return [part[:2] for part in parse_whole(body, content_type, max_parts=max_parts)]


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
    assert parts == [("images", data) for data in files]


def one_part(disposition: bytes, data: bytes = b"1", headers: bytes = b"") -> bytes:
    """A form of one part whose headers are written byte by byte."""
    return b"--xyz\r\nContent-Disposition: " + disposition + b"\r\n" + headers + b"\r\n" + data + b"\r\n--xyz--\r\n"


@pytest.mark.parametrize("boundary", ["xyz", "=_Part_0_1.2", "a/b:c?d", "caf\xe9"])
@pytest.mark.parametrize("written", ['; boundary="{}"', ";boundary={}", "; charset=UTF-8; Boundary={}; x=y"])
def test_every_way_to_name_the_boundary_is_understood(boundary: str, written: str) -> None:
    """Quoted or not, whatever is around it; some clients leave the quotes out where they are due."""
    body = form(("image", b"1")).replace(b"xyz", boundary.encode("latin-1"))
    assert parse_multipart(body, "multipart/form-data" + written.format(boundary), max_parts=1) == [("image", b"1")]


@pytest.mark.parametrize(
    "disposition",
    [
        b'form-data; name="image"; filename="caf\xe9.png"',  # latin-1
        b'form-data; name="image"; filename="caf\xc3\xa9.png"',  # UTF-8
        'form-data; name="image"; filename="ソ.png"'.encode("shift_jis"),  # its second byte is a backslash
        'form-data; name="image"; filename="表"'.encode("shift_jis"),  # here it stands before the quote
        'form-data; name="image"; filename="七.png"'.encode("gb18030"),
        b"form-data; name=\"image\"; filename*=utf-8''caf%C3%A9.png",  # requests
        b'form-data; name="image"; filename="a.png"; filename*=no-such\'\'caf%C3%A9.png',
        b"form-data; name=image; filename=a.png",  # .NET
        b'FORM-DATA;NAME="image";FILENAME=""',
        b'form-data; filename="a; name=x.png"; name="image"',
        b'form-data; name="image"; filename="C:\\seven\\"',
        b'form-data; name="image"; filename="%22;%0d%0a.png"',
        b'form-data; name="image"; filename="' + b"\xff" * 3000 + b'"',
    ],
)
def test_a_file_name_is_its_owners_affair(disposition: bytes) -> None:
    """Any bytes in it, in any of the forms that clients write, leave the part what it is."""
    assert parse_multipart(one_part(disposition), TYPE, max_parts=1) == [("image", b"1")]


@given(st.binary(max_size=60).filter(lambda name: not set(name) & set(b'\r\n"\\')))
def test_any_bytes_in_a_file_name_refuse_nothing(name: bytes) -> None:
    """Also in another header of the part, and beside other parts."""
    odd = one_part(b'form-data; name="image"; filename="' + name + b'"', headers=b"X-Name: " + name + b"\r\n")
    body = odd.replace(b"--xyz--\r\n", form(("image", b"2")))
    assert parse_multipart(body, TYPE, max_parts=2) == [("image", b"1"), ("image", b"2")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9", "the field 'caf\ufffd'"),
        (b"caf\xc3\xa9", "the field 'café'"),
        (b"\x8e\xca", "the field '\ufffd\ufffd'"),
    ],
)
def test_a_field_name_that_is_not_utf8_is_only_another_field(name: bytes, shown: str) -> None:
    """It refuses nothing, and an error shows what can be shown of it."""
    parts = parse_whole(one_part(b'form-data; name="' + name + b'"'), TYPE, max_parts=1)
    assert name_fields(parts) == shown


def test_field_names_are_shown_in_bounds() -> None:
    """A form may have a thousand long names; an error that lists them stays short."""
    parts = [Part(f"{number}" + "x" * 4000, b"", is_file=True) for number in range(1000)]
    assert len(name_fields(parts)) < 700
    assert name_fields([]) == "no fields"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [(b"base64", b"aGVs\r\nbG8="), (b"BASE64", b"aGVsbG8="), (b"quoted-printable", b"h=65llo"), (b"binary", b"hello")],
)
def test_a_transfer_encoding_is_undone(encoding: bytes, data: bytes) -> None:
    """`curl -F "image=@a.png;encoder=base64"` sends it."""
    body = one_part(b'form-data; name="image"', data, b"Content-Transfer-Encoding: " + encoding + b"\r\n")
    assert parse_multipart(body, TYPE, max_parts=1) == [("image", b"hello")]
    damaged = one_part(b'form-data; name="image"', b"a", b"Content-Transfer-Encoding: base64\r\n")
    assert parse_multipart(damaged, TYPE, max_parts=1) == [("image", b"a")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(("image", b"1")), "multipart/form-data"),
        (form(("image", b"1")), "multipart/form-data; boundary="),
        (form(("image", b"1"))[:-8], TYPE),
        (b"", TYPE),
        (b"junk", TYPE),
        (b"--xyz\r\nContent-Type: image/png\r\n\r\n1\r\n--xyz--", TYPE),
        (one_part(b"form-data; name=image", headers=b"\xff\xfe: 1\r\n"), TYPE),
        (one_part(b"form-data; name=image", headers=b"\xff\xfe\r\n"), TYPE),
        (b"--xyz\r\n" + b"X: " + b"y" * 10_000 + b"\r\n\r\n1\r\n--xyz--", TYPE),
        (form(*[("image", b"1")] * 4), TYPE),
        (form(("image", b"1")), "multipart/form-data; boundary=other"),
    ],
)
def test_a_malformed_form_is_refused(body: bytes, content_type: str) -> None:
    """No boundary, cut off, no name, huge headers, too many parts: a 400 that says so."""
    with pytest.raises(RequestError, match=r"multipart form") as refused:
        parse_multipart(body, content_type, max_parts=3)
    assert "Error(" not in str(refused.value)


@pytest.mark.parametrize(
    ("disposition", "headers", "is_file"),
    [
        (b'form-data; name="a"; filename="a.png"', b"", True),
        (b'form-data; name="a"; filename=""', b"", True),
        (b"form-data; name=\"a\"; filename*=utf-8''a.png", b"", True),
        (b'form-data; name="a"', b"Content-Type: image/png\r\n", True),
        (b'form-data; name="a"', b"", False),
        (b'form-data; name="a"', b"Content-Type: text/plain; charset=utf-8\r\n", False),
    ],
)
def test_a_file_is_told_from_text(disposition: bytes, headers: bytes, is_file: bool) -> None:
    """By its name or its media type, as clients write them."""
    parts = parse_whole(one_part(disposition, headers=headers), TYPE, max_parts=1)
    assert [part.is_file for part in parts] == [is_file]
