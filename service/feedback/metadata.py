"""Removes from a picture file what identifies its sender: location, time, camera, names, trailing data.

JPEG and PNG keep the bytes of their pixels. Other formats are written anew as PNG, pixel for pixel; HEIC and AVIF as
preprocessing reads them, upright and reduced, since that is all that leaves their decoder's process.
"""

from __future__ import annotations

import io
from typing import Any, Final

from PIL import Image, ImageOps

from service.contract import FORMATS
from service.errors import UndecodablePicture
from service.preprocess.decode import decode, eight_bits, is_apart

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_MODES: Final = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}
_PNG_CHUNKS: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_ALONE: Final = {0x01, *range(0xD0, 0xD8)}  # markers without a length: TEM, and the restarts within the pixels
_APPLICATION: Final = {*range(0xE0, 0xF0), 0xFE}  # EXIF, XMP, profiles, thumbnails, comments
_JFIF: Final = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"  # with no thumbnail
_ADOBE: Final = 0xEE  # says how colours are coded
_ADOBE_BYTES: Final = 16
_ORIENTATION: Final = 0x0112  # the EXIF tag


def without_metadata(data: bytes) -> tuple[bytes, str]:
    """Return the file without metadata, and its suffix (`.png`, `.jpg`); the picture looks and decodes the same.

    Args:
        data: a picture file that preprocessing has read.

    Raises:
        UndecodablePicture: it cannot be taken apart, or written anew.
    """
    try:
        if is_apart(data):
            return _written(Image.fromarray(decode(data))), ".png"
        with Image.open(io.BytesIO(data), formats=[each.name for each in FORMATS if not each.is_apart]) as picture:
            kind, turned = picture.format, picture.getexif().get(_ORIENTATION, 1) != 1
            if kind == "JPEG" and picture.mode != "CMYK":
                return _jpeg(data, _orientation_segment(picture) if turned else b""), ".jpg"
            if kind == "PNG" and not turned and not getattr(picture, "is_animated", False):
                return _png(data), ".png"
            return _anew(picture), ".png"
    except Exception as error:  # as decoding: a hostile file gets almost any exception out of Pillow
        raise UndecodablePicture(
            f"the {len(data)} bytes could not be written without their metadata ({type(error).__name__}); "
            "send the picture as PNG"
        ) from error


def _anew(picture: Image.Image) -> bytes:
    upright = ImageOps.exif_transpose(picture)
    if upright.mode not in _PNG_MODES:  # PNG has neither fractions nor 32 bits, CMYK or Lab
        if upright.mode.startswith(("I", "F")):
            upright = eight_bits(upright)
        else:
            upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    clean = Image.frombytes(upright.mode, upright.size, upright.tobytes())
    if upright.mode == "P" and (palette := upright.palette) is not None:
        clean.putpalette(palette.palette, palette.mode)
    transparency = upright.info.get("transparency")
    return _written(clean, **({} if transparency is None else {"transparency": transparency}))


def _written(picture: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1, **options)
    return file.getvalue()


def _png(data: bytes) -> bytes:
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8]
        if name in _PNG_CHUNKS:
            kept.append(data[at:end])
        if name == b"IEND":
            return b"".join(kept)
        at = end
    return b"".join(kept)  # cut off behind its pixels, which was read all the same


def _jpeg(data: bytes, first: bytes) -> bytes:
    kept, at = [data[:2]], 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:  # between segments only fill bytes may stand
            at += 1
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == _EOI:
            break
        elif marker == _SOI or marker in _ALONE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            if marker == _SOS:
                end = _end_of_scan(data, end)
            if marker not in _APPLICATION:
                kept.append(data[at:end])
            elif data[at + 4 : at + 9] == b"JFIF\x00":
                kept.append(_JFIF)
            elif marker == _ADOBE and data[at + 4 : at + 9] == b"Adobe" and end - at == _ADOBE_BYTES:
                kept.append(data[at:end])
            at = end
    jfif = [part for part in kept if part == _JFIF][:1]  # must come first
    return b"".join([kept[0], *jfif, first, *(part for part in kept[1:] if part != _JFIF), b"\xff\xd9"])


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the next segment begins after a scan."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and data[at + 1] not in _ALONE:
            return at
        at += 2


def _orientation_segment(picture: Image.Image) -> bytes:
    """Return a JPEG segment that holds only the picture's orientation."""
    exif = Image.Exif()
    exif[_ORIENTATION] = int(picture.getexif()[_ORIENTATION])
    content = exif.tobytes()
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2) + content
