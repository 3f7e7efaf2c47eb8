"""Bytes of a picture file to a small grey picture: the only place where a decoder meets what a stranger sent."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from service.contract import FORMAT_TITLES, FORMATS
from service.errors import PictureTooLarge, UndecodablePicture

MAX_PIXELS: Final = 50_000_000
WORK_SIDE: Final = 640  # longest side, in pixels, that the rest of the pipeline ever sees
_NAMES: Final = tuple(each.name for each in FORMATS)
_ORIENTATION: Final = 0x0112  # the EXIF tag
_TILE_TAGS: Final = (322, 323)  # TIFF TileWidth, TileLength
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_grey(data: bytes, *, max_pixels: int = MAX_PIXELS, work_side: int = WORK_SIDE) -> NDArray[np.uint8]:
    """Decode a picture file to grey, upright, opaque and no larger than the pipeline needs.

    Args:
        data: a whole PNG, JPEG, WebP, GIF, BMP or TIFF file; of several frames the first counts.
        max_pixels: limit on width times height, checked on the header, before any pixel is decoded.
        work_side: larger pictures are reduced by a whole factor until their longest side is at most this, in pixels.

    Returns:
        uint8 [height, width], 0 black to 255 white, both sides from 1 to `work_side`.

    Raises:
        PictureTooLarge: the header announces more than `max_pixels`.
        UndecodablePicture: not one of the formats, or a damaged file.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_NAMES) as picture:
            _check_size(picture, max_pixels)
            return _to_grey(picture, work_side)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"The picture is too large to decode: {error} Send a smaller picture.") from error
    except PictureTooLarge:
        raise
    except UnidentifiedImageError as error:
        raise UndecodablePicture(
            f"The {len(data)} bytes sent are in no picture format that is read here; send a {FORMAT_TITLES} file."
        ) from error
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


def _to_grey(picture: Image.Image, work_side: int) -> NDArray[np.uint8]:
    orientation = _orientation(picture)
    if picture.format == "JPEG":
        # The decoder's own reduction by 2, 4 or 8 skips most of the inverse transform of a phone's photo.
        picture.draft(None, (work_side // 2, work_side // 2))
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if picture.has_transparency_data:
        picture = _on_contrast(picture.convert("RGBA"))
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
    picture.load()  # here, so that a damaged file is found here
    grey = picture if picture.mode == "L" else picture.convert("L")
    factor = -(-max(grey.size) // work_side)
    if factor > 1:
        grey = grey.reduce(factor)
    if orientation in _TURNS:
        grey = grey.transpose(_TURNS[orientation])
    return np.asarray(grey)


def _orientation(picture: Image.Image) -> int:
    """Read the EXIF orientation, 1 to 8; a broken EXIF block does not spoil a readable picture."""
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001  the EXIF parser throws what it likes on hostile bytes
        return 1


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float samples to 8 bits; 12-bit samples in a 16-bit file keep their contrast."""
    samples = np.nan_to_num(np.asarray(picture, np.float32), posinf=0, neginf=0)
    top = float(samples.max())
    white = next((limit for limit in (1.0, 255.0, 4095.0, 65535.0) if top <= limit), top)
    return Image.fromarray((np.clip(samples, 0, white) * (255 / white)).astype(np.uint8))


def _on_contrast(picture: Image.Image) -> Image.Image:
    """Lay a picture with holes on a background of one grey on which its strokes stand out.

    White strokes on nothing are as common as black ones, so plain white will not do; and a photo with rounded corners
    goes on the colour of its own paper.
    """
    rgba = picture.reduce(max(1, max(picture.size) // 256))
    alpha = np.asarray(rgba.getchannel("A"))
    opaque = np.asarray(rgba.convert("RGB").convert("L"))[alpha > 127]
    paper = 255
    if opaque.size:
        low, middle, high = np.percentile(opaque, [2, 50, 98])
        mostly_paper = opaque.size > alpha.size / 2 and high - low > 64
        paper = int(middle) if mostly_paper else 0 if middle > 127 else 255
    below = Image.new("RGBA", picture.size, (paper, paper, paper, 255))
    below.alpha_composite(picture)
    return below.convert("RGB")
