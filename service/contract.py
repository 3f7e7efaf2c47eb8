"""The service's contract, each fact once: rejection reasons, formats, limits, sizes. Everything else imports them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, Self

SIDE: Final = 28
"""Height and width, in pixels, of what the network sees."""
BOX: Final = 20
"""The longer side of a digit within it, in pixels, as in MNIST."""
CENTRE: Final = 14.0
"""Row and column of a digit's centre of mass: the mean over MNIST's training set is 14.00, and none is 0.6 away."""

MAX_PICTURES: Final = 1024
"""Pictures that one request may hold."""
MAX_IMAGES: Final = 64
"""Images that one call of BentoML's batchable API takes."""
MAX_TENSORS: Final = 16
"""Inputs, and outputs, that one Open Inference request may name."""

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"
OCTETS: Final = "application/octet-stream"
S3_OCTETS: Final = "binary/octet-stream"
"""What Amazon S3 calls a file of which it knows nothing."""
URL_FORM: Final = "application/x-www-form-urlencoded"


class Rejection(StrEnum):
    """Why a picture is rejected.

    The value stands in answers, metrics and the OpenAPI document; `sentence` is what the page says, where `{label}` and
    `{percent}` are the closest class and how sure the network is of it.
    """

    sentence: str

    BLANK = "blank", "There is nothing to read: no ink was found."
    SEVERAL_DIGITS = "several_digits", "There is more than one digit. Show one at a time."
    NOT_A_DIGIT = "not_a_digit", "This does not look like a digit."
    UNSURE = "unsure", "Not sure enough to say. The closest is {label}, with {percent}."

    def __new__(cls, value: str, sentence: str) -> Self:
        """Make a member of the two parts."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member


class Format(NamedTuple):
    """A picture format.

    Attributes:
        name: Pillow's name for it.
        title: the name that people know.
        media_types: what a client may call it; the first is the registered one.
        suffixes: how its files end; browsers go by them where they do not know the format.
        signature: how a file begins, a regular expression in which a dot is any byte.
        is_apart: whether it is decoded in a process of its own (service/preprocess/sandbox.py says why).
    """

    name: str
    title: str
    media_types: tuple[str, ...]
    suffixes: tuple[str, ...]
    signature: bytes
    is_apart: bool = False


FORMATS: Final = (
    Format("PNG", "PNG", ("image/png",), (".png",), rb"\x89PNG\r\n\x1a\n"),
    Format("JPEG", "JPEG", ("image/jpeg",), (".jpg", ".jpeg"), rb"\xff\xd8\xff"),
    Format("WEBP", "WebP", ("image/webp",), (".webp",), rb"RIFF.{4}WEBP"),
    Format("GIF", "GIF", ("image/gif",), (".gif",), rb"GIF8[79]a"),
    Format("BMP", "BMP", ("image/bmp",), (".bmp",), rb"BM.{4}\0{4}"),
    Format("TIFF", "TIFF", ("image/tiff",), (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]"),
    # Both begin with a box, whose name follows its length; `mif1` and `msf1` may be either.
    Format("AVIF", "AVIF", ("image/avif",), (".avif",), rb".{4}ftyp(?:avi[fs]|m[is]f1)", is_apart=True),
    Format(
        "HEIF", "HEIC", ("image/heic", "image/heif"), (".heic", ".heif", ".hif"), rb".{4}ftyp(?:he[iv][cmsx]|m[is]f1)",
        is_apart=True,
    ),
)  # fmt: skip
FORMAT_TITLES: Final = f"{', '.join(each.title for each in FORMATS[:-1])} or {FORMATS[-1].title}"
"""The formats as an error message names them."""
SUFFIXES: Final = tuple(suffix for each in FORMATS for suffix in each.suffixes)
"""How picture files end."""
PICTURE_TYPES: Final = (*(kind for each in FORMATS for kind in each.media_types), OCTETS, S3_OCTETS)
"""Media types of a request's body, or of a part of a form, that may hold a picture."""
