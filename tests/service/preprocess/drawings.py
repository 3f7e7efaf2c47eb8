"""Digits drawn corner by corner, laid on paper, lit, and written to files."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from service.model.session import DigitSession
from service.preprocess import Prepared

# Hand-drawn corner by corner, x and y in the unit square.
DRAWINGS: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.5, 0.1), (0.3, 0.2), (0.22, 0.5), (0.3, 0.8), (0.5, 0.9), (0.7, 0.8), (0.78, 0.5), (0.7, 0.2), (0.5, 0.1)]],
    1: [[(0.55, 0.1), (0.5, 0.9)]],
    2: [[(0.25, 0.28), (0.35, 0.13), (0.6, 0.12), (0.72, 0.28), (0.6, 0.5), (0.25, 0.88), (0.78, 0.86)]],
    3: [
        [(0.28, 0.16), (0.55, 0.1), (0.7, 0.25), (0.6, 0.42), (0.42, 0.47)],
        [(0.42, 0.47), (0.66, 0.55), (0.74, 0.72), (0.58, 0.9), (0.25, 0.86)],
    ],
    4: [[(0.35, 0.1), (0.25, 0.52), (0.75, 0.5)], [(0.65, 0.2), (0.6, 0.92)]],
    5: [
        [(0.72, 0.12), (0.35, 0.12), (0.3, 0.45), (0.55, 0.42), (0.72, 0.58), (0.68, 0.8), (0.45, 0.92), (0.25, 0.84)],
    ],
    7: [[(0.22, 0.14), (0.75, 0.13), (0.6, 0.45), (0.45, 0.92)]],
}


def drawn(
    digit: int,
    *,
    size: tuple[int, int] = (200, 200),
    height: float = 140,
    middle: tuple[float, float] | None = None,
    pen: float = 14,
) -> NDArray[np.float32]:
    """Draw a digit as coverage, float32 [height, width] of 0…1."""
    x, y = middle or (size[0] / 2, size[1] / 2)
    sheet = Image.new("L", (2 * size[0], 2 * size[1]))
    brush = ImageDraw.Draw(sheet)
    for line in DRAWINGS[digit]:
        points = [(2 * (x + (u - 0.5) * height / 0.8), 2 * (y + (v - 0.5) * height / 0.8)) for u, v in line]
        brush.line(points, fill=255, width=max(1, round(2 * pen)), joint="curve")
        for u, v in points:
            brush.ellipse([u - pen, v - pen, u + pen, v + pen], fill=255)
    return np.asarray(sheet.reduce(2), np.float32) / 255


def black_on_white(ink: NDArray[np.float32], dark: float = 0, light: float = 255) -> NDArray[np.uint8]:
    """Lay ink on paper."""
    return (light + ink * (dark - light)).astype(np.uint8)


def as_file(pixels: NDArray[np.generic] | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Write a picture as a file."""
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def header_only(width: int, height: int) -> bytes:
    """Make a PNG that announces a size and holds almost nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in chunks)


def read(session: DigitSession, prepared: Prepared) -> int | str:
    """Give the network's digit, or why preprocessing refused."""
    return prepared.rejected or int(session.run(prepared.image[None]).probabilities[0].argmax())


def alike(one: Prepared, other: Prepared) -> float:
    """Tell how alike two prepared images are, up to one pixel each way: their cosine, 1 for the same picture.

    A digit is centred by whole pixels; a little more or less ink moves it by one.
    """
    a, still = one.image.astype(np.float64), other.image.astype(np.float64)
    moved = (np.roll(still, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1))
    return max(float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)) for b in moved)


SIZE = (400, 300)  # of a small photo


def lamp(size: tuple[int, int], depth: float) -> NDArray[np.float32]:
    """Light from the upper left that falls off by `depth` towards the far corner."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    return (1 - depth * (x + y) / 2).astype(np.float32)


def shot(ink: NDArray[np.float32], light: NDArray[np.float32] | float, *, dark: float = 50) -> NDArray[np.uint8]:
    """Look at a page as a phone does: lit, a little blurred, with noise."""
    noise = np.random.default_rng(0).normal(0, 2, ink.shape)
    page = np.clip((220 + ink * (dark - 220)) * light + noise, 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(page).filter(ImageFilter.GaussianBlur(0.7)))
