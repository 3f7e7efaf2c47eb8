"""Reads the pictures from a request's body, in every form in which clients send them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from service.api.picture_text import decode_text, first_bytes, is_data_uri
from service.api.schemas import Fact
from service.contract import FORM, FORMATS, JSON, MAX_PICTURES, OCTETS, PICTURE_TYPES, URL_FORM
from service.errors import RequestError, ServiceError, UnsupportedType
from service.gateway.forms import Part, name_fields, parse_multipart
from service.gateway.messages import Request

ONE: Final = "image"
MANY: Final = "images"
MAX_FIELDS: Final = 16  # of a form that holds one picture
_SIGNATURES: Final = re.compile(b"|".join(each.signature for each in FORMATS), re.DOTALL)
_OBJECT: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")  # Windows puts a byte order mark before UTF-8
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{16}")
_T = TypeVar("_T")

Picture = Annotated[bytes, Fact("picture")]
PictureText = Annotated[
    str, Field(description="a picture file in base64, or a data URI", json_schema_extra={"format": "picture-base64"})
]


class PictureForm(TypedDict):
    """One picture; the part may have any name if it is the only file."""

    image: Picture


class PicturesForm(TypedDict):
    """Pictures in order; the parts may have any name if every file is a picture."""

    images: Annotated[list[Picture], Field(min_length=1, max_length=MAX_PICTURES)]


class PictureJson(TypedDict):
    """One picture as text."""

    image: PictureText


class PicturesJson(TypedDict):
    """Pictures as text, in order."""

    images: Annotated[list[PictureText], Field(min_length=1, max_length=MAX_PICTURES)]


ONE_PICTURE: Final = {
    **dict.fromkeys(PICTURE_TYPES, Picture),
    FORM: PictureForm,
    JSON: PictureJson,
    URL_FORM: PictureJson,
}
MANY_PICTURES: Final = {FORM: PicturesForm, JSON: PicturesJson}


async def read_picture(request: Request) -> bytes:
    """Take the one picture out of a request: from a form, from JSON, or the body itself.

    Raises:
        RequestError: there is none, or more than one.
        UnsupportedType: the body is neither of these, by its Content-Type and by its first bytes.
        UndecodablePicture: it is text, and not base64.
    """
    kind = media_type(request)
    body = await request.body()
    if kind == FORM:
        data = _unwrapped(_only(parse_multipart(body, request.content_type, max_parts=MAX_FIELDS)).data)
    elif kind.startswith("image/") or kind == OCTETS or _SIGNATURES.match(body) or _is_text(body):
        data = _unwrapped(body)
    elif kind == JSON or _is_object(body):
        data = decode_text(_value(body, ONE, str, "one string, or send several pictures to /predict_batch"))
    elif kind == URL_FORM and (text := _url_field(body)) is not None:
        data = decode_text(text)
    elif body:
        raise UnsupportedType(
            f"the Content-Type is {request.content_type[:100]!r}, and the {len(body)} bytes do not begin as "
            f"an image file does; expected one picture: the file itself as image/* or {OCTETS}, "
            f"a form with one file as {FORM}, or "
            f'{JSON} as {{"image": "<base64 or data URI>"}}; with curl: -F image=@FILE or '
            "--data-binary @FILE, because -d removes the line breaks of a file"
        )
    else:
        data = b""
    if not data:
        raise RequestError("the picture is empty (0 bytes); expected the bytes of an image file")
    return data


async def read_pictures(request: Request, most: int) -> list[bytes | ServiceError]:
    """Take many pictures out of a form or JSON, in order; text that is not base64 has its error in its place.

    Raises:
        RequestError: there is none, or more than `most`.
        UnsupportedType: the body is neither form nor JSON.
    """
    kind = media_type(request)
    if kind == FORM:
        parts = parse_multipart(await request.body(), request.content_type, max_parts=most)
        pictures = [part for part in parts if part.name == MANY] or _files(parts)
        if not pictures:
            raise RequestError(f"the form has {name_fields(parts)}; expected one or more parts named '{MANY}'")
        return [_or_error(_unwrapped, part.data) for part in pictures]
    body = await request.body()
    if kind == JSON or _is_object(body):
        texts = _value(body, MANY, list, f"1 to {most} strings")
        if not 1 <= len(texts) <= most:
            raise RequestError(f"'{MANY}' has {len(texts)} elements, expected 1 to {most}; send more in other requests")
        wrong = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise RequestError(f"element {wrong} of '{MANY}' is no string; expected a picture file in base64")
        return [_or_error(decode_text, text) for text in texts]
    raise UnsupportedType(
        f"the Content-Type is {request.content_type[:100]!r}, expected {FORM} with parts named '{MANY}', or {JSON} as "
        f'{{"{MANY}": ["<base64 or data URI>", …]}}; send one picture by itself to /predict'
    )


def media_type(request: Request) -> str:
    """Return the Content-Type without its parameters, in lower case."""
    return request.content_type.partition(";")[0].strip().lower()


def _only(parts: Sequence[Part]) -> Part:
    """Find the picture in a form: the field `image`, or else the only file."""
    pictures = [part for part in parts if part.name == ONE] or _files(parts)
    if len(pictures) != 1:
        raise RequestError(
            f"the form has {name_fields(parts)}; expected exactly one part named '{ONE}', or exactly one file; "
            "send several pictures to /predict_batch"
        )
    return pictures[0]


def _files(parts: Sequence[Part]) -> list[Part]:
    """Leave out text, and the empty part that a browser sends for a file that was not chosen."""
    return [part for part in parts if (part.is_file and part.data) or _is_text(part.data)]


def _unwrapped(data: bytes) -> bytes:
    return decode_text(data) if _is_text(data) else data


def _is_text(data: bytes) -> bool:
    """Tell by the first bytes whether this is a data URI, or a picture file in base64."""
    return is_data_uri(data) or (_BASE64.match(data) is not None and _SIGNATURES.match(first_bytes(data)) is not None)


def _is_object(body: bytes) -> bool:
    """Tell by the first byte whether this is JSON, whatever its sender calls it: curl's -d calls it a form."""
    return _OBJECT.match(body) is not None


def _or_error(decode: Any, sent: Any) -> bytes | ServiceError:
    try:
        data: bytes = decode(sent)
    except ServiceError as error:
        return error
    return data


def _value(body: bytes, name: str, kind: type[_T], expected: str) -> _T:
    """Read one member of a JSON object."""
    try:
        content = orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}; expected {{'{name}': …}} with {expected}") from error
    value = content.get(name) if isinstance(content, dict) else None
    if value is not None and not isinstance(value, kind):
        raise RequestError(f"'{name}' is a JSON {type(value).__name__}, expected {expected}")
    if value is None:
        raise RequestError(f"the JSON body has {members(content)}; expected {{'{name}': …}} with {expected}")
    return value


def members(content: object) -> str:
    """Say what a JSON value has, for an error: the names of some members, each cut short."""
    return f"the members {[key[:50] for key in list(content)[:10]]}" if isinstance(content, dict) else "no object"


def _url_field(body: bytes) -> bytes | None:
    """Find the field `image` of a URL-encoded form; a plus is itself, as base64 written by hand has it."""
    for field in body.split(b"&", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = field.partition(b"=")
        if name == ONE.encode():
            return unquote_to_bytes(value)
    return None
