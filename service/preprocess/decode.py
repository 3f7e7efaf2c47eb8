"""Bytes of a picture file to a small picture: the only place that decodes what clients send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.contract import FORMAT_TITLES, FORMATS
from service.errors import PictureTooLarge, UndecodablePicture
from service.preprocess.bounded_file import parsed_file
from service.preprocess.colour import PLAIN
from service.preprocess.sandbox import decode_apart

MAX_PIXELS: Final = 50_000_000
WORK_SIDE: Final = 640  # longest side, in pixels, that the rest of the pipeline ever sees
_ORIENTATION: Final = 0x0112  # the EXIF tag
_HERE: Final = tuple(each.name for each in FORMATS if not each.is_apart)
_APART: Final = re.compile(b"|".join(each.signature for each in FORMATS if each.is_apart), re.DOTALL)
_TILE_TAGS: Final = (322, 323)  # TIFF TileWidth, TileLength
_MIRRORED: Final = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
_EXIF: Final = ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")  # where Pillow looks for an orientation
SAMPLE: Final = 64  # longer side, in pixels, of what is looked at for colour
COLOUR: Final = 24  # levels between a pixel's channels from which on it is coloured
LOOKED_AT: Final = 4096  # opaque pixels, about, by which the background of a picture with holes is chosen
_LEVELS: Final = np.arange(256, dtype=np.uint16)
COLOURED: Final = 0.002  # share of coloured pixels from which on the colours are kept

Pixels = NDArray[np.uint8]


class Decoded(NamedTuple):
    """A picture, and whether it was decoded at half the size that it could have, as a JPEG can be in half the time."""

    pixels: Pixels
    halved: bool


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, work_side: int = WORK_SIDE) -> Pixels:
    """Decode a picture file, upright, opaque and no larger than the pipeline needs.

    Args:
        data: a whole file in one of `service.contract.FORMATS`; of several frames the first counts, or the one that
            the file calls its primary.
        max_pixels: limit on width times height, checked on the header, before any pixel is decoded.
        work_side: larger pictures are reduced by a whole factor until their longest side is at most this, in pixels.

    Returns:
        uint8 [height, width], 0 black to 255 white, or with colours [height, width, 3], red, green, blue; both sides
        from 1 to `work_side`.

    Raises:
        PictureTooLarge: the header announces more than `max_pixels`.
        UndecodablePicture: not one of the formats, or a damaged file.
        Overloaded: the process that decodes HEIC and AVIF cannot be started.
    """
    return decode_for(0, data, max_pixels=max_pixels, work_side=work_side).pixels


def decode_for(side: int, data: bytes, *, max_pixels: int = MAX_PIXELS, work_side: int = WORK_SIDE) -> Decoded:
    """Decode as `decode` does, but at half the size where that leaves the longest side at `side` or a little less.

    Raises:
        PictureTooLarge, UndecodablePicture, Overloaded: as `decode`.
    """
    if is_apart(data):
        return Decoded(decode_apart(data, max_pixels=max_pixels, work_side=work_side), halved=False)
    return decode_here(side, data, max_pixels=max_pixels, work_side=work_side, formats=_HERE)


def is_apart(data: bytes) -> bool:
    """Tell by the first bytes whether this is HEIC or AVIF, which are decoded in a process apart."""
    return _APART.match(data) is not None


def decode_here(side: int, data: bytes, *, max_pixels: int, work_side: int, formats: Sequence[str]) -> Decoded:
    """Decode as `decode_for` does, in this process, a file in one of the formats that are named.

    Raises:
        PictureTooLarge, UndecodablePicture: as `decode`.
    """
    try:
        with Image.open(parsed_file(data), formats=list(formats)) as picture:
            _check_size(picture, max_pixels)
            return _to_pixels(picture, work_side, side)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"The picture is too large to decode: {error} Send a smaller picture.") from error
    except PictureTooLarge:
        raise
    except UnidentifiedImageError as error:
        are = "in no supported picture format" if formats is _HERE else "a HEIC or AVIF file that is damaged"
        raise UndecodablePicture(f"The {len(data)} bytes sent are {are}; send a whole {FORMAT_TITLES} file.") from error
    # Pillow's plugins answer hostile bytes with almost any exception there is (OSError, SyntaxError, ValueError,
    # struct.error, zlib.error, KeyError, MemoryError...); whatever it was, the file is what is wrong.
    except Exception as error:
        message = f"The {len(data)} bytes sent are not a readable picture ({type(error).__name__}: {str(error)[:120]})."
        raise UndecodablePicture(f"{message} Send a whole {FORMAT_TITLES} file.") from error


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    """Refuse by the header alone what would cost too much to decode."""
    width, height = picture.size
    tags = getattr(picture, "tag_v2", {})
    tile_width, tile_height = (int(tags.get(tag, 1)) for tag in _TILE_TAGS)
    if max(width * height, tile_width * tile_height) > max_pixels:
        raise PictureTooLarge(
            f"The picture is {width} x {height} = {width * height} pixels; the limit is {max_pixels}. "
            "Send it scaled down: a side of 1,000 pixels is plenty for one digit."
        )


def _to_pixels(picture: Image.Image, work_side: int, side: int) -> Decoded:
    halved = picture.format == "JPEG" and _draft(picture, work_side, side)
    picture.load()  # here, so that a damaged file is found here
    orientation = _orientation(picture)
    if picture.mode.startswith(("I", "F")):
        picture = eight_bits(picture)
    factor = -(-max(picture.size) // work_side)
    if picture.has_transparency_data:
        return Decoded(_turned(_on_contrast(_premultiplied(picture, factor)), orientation), halved)
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    pixels = np.asarray(_reduced(picture, factor))
    if pixels.ndim == 3:
        step = -(-max(pixels.shape) // SAMPLE)
        if not is_colourful(pixels[::step, ::step]):
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    return Decoded(_turned(pixels, orientation), halved)


def _draft(picture: Image.Image, work_side: int, side: int) -> bool:
    """Let the decoder reduce a JPEG by 2, 4 or 8, which skips most of the inverse transform of a phone's photo."""
    width, height = picture.size
    most = min(width, height) // (work_side // 2)
    factor = next((each for each in (8, 4, 2) if each <= most), 1)
    halve = factor < 8 and side < -(-max(width, height) // factor) <= 2 * side
    factor *= 1 + halve
    picture.draft(None, (max(1, width // factor), max(1, height // factor)))
    return halve and max(picture.size) <= side


def _reduced(picture: Image.Image, factor: int) -> Image.Image:
    return picture.reduce(factor) if factor > 1 else picture


def _premultiplied(picture: Image.Image, factor: int) -> Pixels:
    """Return colours times alpha, uint8 [height, width, 4]; OpenCV does it four times as fast as Pillow."""
    if picture.mode != "RGBA":
        picture = picture.convert("RGBA")
    if factor > 1:
        return np.asarray(picture.convert("RGBa").reduce(factor))
    return cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGBA2mRGBA).astype(np.uint8, copy=False)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror as the EXIF orientation, 1 to 8, says."""
    if not 2 <= orientation <= 8:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    down, right = _MIRRORED[orientation]
    return np.ascontiguousarray(pixels[::down, ::right])


def is_colourful(rgb: Pixels) -> bool:
    """Tell whether a picture, uint8 [..., 3], shows more than a tint of grey."""
    low = np.minimum(np.minimum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    high = np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
    return bool(np.count_nonzero(high - low > COLOUR) > COLOURED * low.size)


def _orientation(picture: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; a broken EXIF block does not spoil a readable picture."""
    if picture.format != "TIFF" and picture.info.keys().isdisjoint(_EXIF):
        return 1  # saves half of the time of a small file
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  the EXIF parser throws what it likes on hostile bytes
        return 1


def eight_bits(picture: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float samples to 8 bits; 12-bit samples in a 16-bit file keep their contrast."""
    samples = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0)
    top = float(samples.max())
    white = next((limit for limit in (1.0, 255.0, 4095.0, 65535.0) if top <= limit), top)
    return Image.fromarray((np.clip(samples, 0, white) * (255 / white)).astype(np.uint8))


def _on_contrast(pixels: Pixels) -> Pixels:
    """Lay colours times alpha, uint8 [height, width, 4], on a background of one grey on which the strokes stand out.

    White strokes on nothing are as common as black ones, so plain white will not do; and a photo with rounded corners
    goes on the colour of its own paper.
    """
    alpha = cv2.extractChannel(pixels, 3).astype(np.uint8, copy=False)
    solid = np.flatnonzero(alpha > 127)
    opaque = pixels.reshape(-1, 4)[solid[:: 1 + len(solid) // LOOKED_AT], :3]
    paper = 255
    if len(opaque):
        low, middle, high = np.percentile(opaque @ PLAIN, [2, 50, 98])
        mostly_paper = 2 * len(solid) > alpha.size and high - low > 64
        paper = int(middle) if mostly_paper else 0 if middle > 127 else 255
    below = cv2.LUT(alpha, ((255 - _LEVELS) * paper // 255).astype(np.uint8)).astype(np.uint8, copy=False)
    if len(opaque) and is_colourful(opaque):
        return pixels[..., :3] + below[..., None]
    return cv2.add(cv2.extractChannel(pixels, 1), below).astype(np.uint8, copy=False)
