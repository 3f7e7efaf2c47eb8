"""The picture is kept, what its file tells of the sender is not: in any format, and it decodes to the same pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from service.errors import UndecodablePicture
from service.feedback.metadata import without_metadata
from service.preprocess import preprocess

SECRET = b"Ada Lovelace, 51.5N 0.1W"


def drawn(mode: str = "RGB", side: int = 200) -> Image.Image:
    """Return a 7 that is not the same upside down."""
    picture = Image.new("RGB", (side, side - 40), "white")
    ImageDraw.Draw(picture).line([(60, 30), (140, 30), (90, 130)], "black", 12)
    if mode == "RGBA":
        picture.putalpha(picture.convert("L").point(lambda value: 255 - value))
        return picture
    return picture.convert(mode)


def file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Write a picture file with a secret in every place that the format has for one."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = options.pop("orientation", 1)
    if kind == "PNG":
        info = PngInfo()
        info.add_text("Author", SECRET.decode())
        info.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options["pnginfo"] = info
    elif kind in ("JPEG", "GIF"):
        options["comment"] = SECRET
    if kind == "TIFF":
        options["tiffinfo"] = {0x010E: SECRET.decode()}
    elif kind in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
        options["exif"] = exif.tobytes()
    if kind in ("JPEG", "WEBP", "AVIF", "HEIF"):
        options["xmp"] = SECRET
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


KINDS = [
    *(("PNG", mode, {}) for mode in ("RGB", "RGBA", "L", "P", "1", "LA", "I;16")),
    *(("JPEG", mode, {}) for mode in ("RGB", "L", "CMYK")),
    *(("JPEG", "RGB", {"progressive": True}), ("JPEG", "RGB", {"restart_marker_blocks": 1})),
    *(("JPEG", "RGB", {"orientation": turn}) for turn in range(2, 9)),
    *(("WEBP", mode, {"lossless": True}) for mode in ("RGB", "RGBA")),
    *(("WEBP", "RGB", {"orientation": 6, "lossless": True}), ("PNG", "RGB", {"orientation": 6})),
    *(("GIF", "P", {}), ("BMP", "RGB", {}), ("TIFF", "RGB", {}), ("TIFF", "L", {})),
    *(("TIFF", mode, {}) for mode in ("CMYK", "LAB", "YCbCr", "I", "I;16", "F")),
    *((kind, mode, {"orientation": 6}) for kind in ("AVIF", "HEIF") for mode in ("RGB", "RGBA")),
]


@pytest.mark.parametrize(("kind", "mode", "options"), KINDS, ids=str)
def test_the_pixels_stay_and_the_secrets_go(kind: str, mode: str, options: dict[str, Any]) -> None:
    """Texts, EXIF, XMP, comments, and what hangs behind the picture."""
    data = file(drawn(mode), kind, **options) + SECRET
    kept, suffix = without_metadata(data)
    assert SECRET in data
    assert SECRET not in kept
    assert SECRET[:5] not in kept
    assert np.array_equal(preprocess(kept).image, preprocess(data).image)
    with Image.open(io.BytesIO(kept)) as again:
        assert not set(again.info) & {"comment", "xmp", "XML:com.adobe.xmp", "icc_profile", "Author", "photoshop"}
        assert set(again.getexif()) <= {0x0112}
        assert again.format == {".png": "PNG", ".jpg": "JPEG"}[suffix]


@pytest.mark.parametrize("white", [1, 4095, 10**6])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_numbers_of_any_range_are_kept_as_they_are_seen(dtype: type, white: int) -> None:
    """Scientific TIFF files count from 0 to 1, to 4,095, or to whatever the camera gives."""
    data = file(Image.fromarray((np.asarray(drawn("L")) / 255 * white).astype(dtype)), "TIFF")
    seen = preprocess(data)
    assert seen.rejected is None
    assert np.array_equal(preprocess(without_metadata(data)[0]).image, seen.image)


def test_what_is_clean_stays_as_it_is() -> None:
    """A drawing from the page is kept byte by byte, and cleaning twice is cleaning once."""
    out = io.BytesIO()
    drawn().save(out, "PNG")
    assert without_metadata(out.getvalue())[0] == out.getvalue()
    for kind in ("PNG", "JPEG", "WEBP"):
        kept, suffix = without_metadata(file(drawn(), kind, orientation=6))
        assert without_metadata(kept) == (kept, suffix)


def test_a_thumbnail_of_what_was_cut_off_is_not_kept() -> None:
    """Cameras put a small copy beside the picture, which an editor may have left as it was."""
    data = file(drawn(), "JPEG")
    thumbnail = b"JFXX\x00\x10" + SECRET
    jfif = b"\xff\xe0" + (16 + 12).to_bytes(2) + b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x02\x02" + SECRET[:12]
    extra = b"\xff\xe0" + (2 + len(thumbnail)).to_bytes(2) + thumbnail
    kept, _ = without_metadata(b"\xff\xd8" + jfif + extra + data[20:])
    assert SECRET[:12] not in kept
    assert np.array_equal(preprocess(kept).image, preprocess(data).image)


def test_a_file_that_ends_early_is_kept_as_far_as_it_goes() -> None:
    """What was read can be kept; what cannot be read is the caller's to mend."""
    data = file(drawn(), "PNG")
    for cut in range(0, len(data), 17):
        try:
            seen = preprocess(data[:cut]).image
        except UndecodablePicture:
            continue
        assert np.array_equal(preprocess(without_metadata(data[:cut])[0]).image, seen)
    with pytest.raises(UndecodablePicture):
        without_metadata(b"no picture")
