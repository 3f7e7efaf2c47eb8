"""A picture file as text: any variant of base64, or a data URI (RFC 2397)."""

from __future__ import annotations

import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

import pybase64

from service.errors import UndecodablePicture

_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5: the alphabet that is safe in URLs
_SPACE: Final = b" \t\r\n"  # MIME wraps lines at 76 characters
_SHOWN: Final = 40


def is_data_uri(data: bytes) -> bool:
    """Tell by the first bytes whether this is a data URI."""
    return data[:5].lower() == b"data:"


def first_bytes(text: bytes) -> bytes:
    """Return what the first 16 characters of base64 stand for."""
    return pybase64.b64decode(text[:16].translate(_TO_STANDARD))


def decode_text(text: str | bytes) -> bytes:
    """Return the bytes of a file in base64 or in a data URI; its media type is ignored.

    Raises:
        UndecodablePicture: it is neither.
    """
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if not is_data_uri(data):
        return _from_base64(data)
    head, comma, content = data.partition(b",")
    if not comma:
        raise UndecodablePicture(
            f"the data URI {_shown(data)} has no comma; expected 'data:image/png;base64,' and then the file"
        )
    if b"%" in content:
        content = unquote_to_bytes(content)
    return _from_base64(content) if head.rstrip().lower().endswith(b";base64") else content


def _from_base64(text: bytes) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except binascii.Error:
        packed = text.translate(_TO_STANDARD, _SPACE).rstrip(b"=")
    try:
        return pybase64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise UndecodablePicture(
            f"the text {_shown(text)} is not base64 ({error}); expected a picture file in base64, or as a data URI; "
            "nothing is fetched from an address"
        ) from error


def _shown(text: bytes) -> str:
    return f"'{text[:_SHOWN].decode('ascii', 'replace')}{'…' if len(text) > _SHOWN else ''}'"
