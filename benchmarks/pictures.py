"""The pictures that are sent, drawn at run time: a digit by itself, on a page's canvas, and on photographed paper."""

from __future__ import annotations

import io
import math
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

CANVAS_SIDE = 280
SNAPSHOT_SIZE = (640, 480)
PHOTO_SIZE = (4000, 3000)
STROKES = ((0.15, 0.15), (0.85, 0.15), (0.45, 0.9))  # a seven, in a unit square


def draw_digit(number: int = 0, side: int = 280) -> Image.Image:
    """Draw a seven, white on black, turned a little differently for each number."""
    picture = Image.new("L", (side, side))
    points = [(side * (0.22 + 0.56 * x), side * (0.15 + 0.7 * y)) for x, y in STROKES]
    ImageDraw.Draw(picture).line(points, fill=255, width=side // 11, joint="curve")
    return picture.rotate(number * 37 % 100 / 5 - 10, Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(side / 80)
    )


def png(picture: Image.Image | NDArray[np.uint8]) -> bytes:
    """Encode one picture as PNG."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, "PNG")
    return file.getvalue()


def drawing() -> bytes:
    """Return what a page's canvas gives: a PNG of 280 × 280, black strokes on nothing."""
    digit = draw_digit(side=CANVAS_SIDE)
    canvas = Image.new("RGBA", digit.size)
    canvas.putalpha(digit)
    return png(canvas)


def snapshot() -> bytes:
    """Return a JPEG of 640 × 480, as a webcam or a messenger gives it: blue ink on paper in uneven light."""
    return _jpeg(_on_paper(SNAPSHOT_SIZE))


def photo() -> bytes:
    """Return a JPEG of 4000 × 3000, as a phone takes it; drawn once, then kept."""
    kept = Path(tempfile.gettempdir()) / "digit-service-benchmark-photo.jpg"
    if not kept.exists():
        new = kept.with_suffix(".new")
        new.write_bytes(_jpeg(_on_paper(PHOTO_SIZE)))
        new.replace(kept)
    return kept.read_bytes()


def _on_paper(size: tuple[int, int]) -> Image.Image:
    """Draw a digit, half as high as the picture, in blue ink on paper."""
    width, height = size
    ink = Image.new("L", size)
    ink.paste(draw_digit(side=height // 2), (width // 3, height // 4))
    cover = np.asarray(ink, np.float32)[..., None] / 255
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 205 + 35 * np.cos(math.pi * columns / width) - 25 * (rows / height) ** 2
    noise = np.random.default_rng(0).normal(0, 2, (height, width, 1)).astype(np.float32)
    paper = light[..., None] * np.array([1, 0.98, 0.94], np.float32)
    scene = paper * (1 - cover) + np.array([40, 50, 110], np.float32) * cover + noise
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8))


def _jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()
