"""What is sent: pictures drawn at run time, and the same pictures as requests of each kind."""

from __future__ import annotations

import io
import json
import math
import tempfile
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from service.preprocess import preprocess
from service.preprocess.layout import is_mnist_style

BOUNDARY = "a-boundary-of-the-benchmark"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
PHOTO_SIZE = (4000, 3000)
BATCH = 32
STROKES = ((0.15, 0.15), (0.85, 0.15), (0.45, 0.9))  # a seven, in a unit square


@dataclass(frozen=True)
class Workload:
    """One kind of request.

    Attributes:
        images: pictures in one request.
        max_connections: more would only measure the queue.
    """

    name: str
    images: int
    text: str
    max_connections: int = 1024


@dataclass(frozen=True)
class Call:
    """One request: where it goes and what it carries."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("upload", 1, "one 28 × 28 PNG as multipart/form-data"),
        Workload("raw", 1, "one 28 × 28 PNG as the body itself"),
        Workload("pixels1", 1, "one image as a tensor of 784 bytes"),
        Workload("pixels64", 64, "64 images as one tensor"),
        Workload("photo", 1, "one 12-megapixel JPEG as multipart/form-data", max_connections=16),
        Workload("batch32", BATCH, "32 PNGs as multipart/form-data in one request", max_connections=16),
    )
}


def draw_digit(number: int = 0, side: int = 280) -> Image.Image:
    """Draw a seven, white on black, turned a little differently for each number."""
    picture = Image.new("L", (side, side))
    points = [(side * (0.22 + 0.56 * x), side * (0.15 + 0.7 * y)) for x, y in STROKES]
    ImageDraw.Draw(picture).line(points, fill=255, width=side // 11, joint="curve")
    return picture.rotate(number * 37 % 100 / 5 - 10, Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(side / 80)
    )


def images(count: int) -> NDArray[np.uint8]:
    """Draw `count` images that are as MNIST's: uint8 [count, 28, 28], which preprocessing passes on unchanged."""
    drawn = (preprocess(png(draw_digit(number))).image for number in range(16))
    return np.stack(list(islice(cycle(image for image in drawn if is_mnist_style(image)), count)))


def png(picture: Image.Image | NDArray[np.uint8]) -> bytes:
    """Encode one picture as PNG."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, "PNG")
    return file.getvalue()


def photo() -> bytes:
    """Return a JPEG as a phone takes it: blue ink on paper in uneven light, 4000 × 3000; drawn once, then kept."""
    kept = Path(tempfile.gettempdir()) / "digit-service-benchmark-photo.jpg"
    if not kept.exists():
        width, height = PHOTO_SIZE
        ink = Image.new("L", PHOTO_SIZE)
        ink.paste(draw_digit(side=1500), (1300, 800))
        cover = np.asarray(ink, np.float32)[..., None] / 255
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        light = 205 + 35 * np.cos(math.pi * columns / width) - 25 * (rows / height) ** 2
        noise = np.random.default_rng(0).normal(0, 2, (height, width, 1)).astype(np.float32)
        paper = light[..., None] * np.array([1, 0.98, 0.94], np.float32)
        scene = paper * (1 - cover) + np.array([40, 50, 110], np.float32) * cover + noise
        new = kept.with_suffix(".new")
        Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(new, "JPEG", quality=85)
        new.replace(kept)
    return kept.read_bytes()


def form(pictures: list[bytes], field_name: str, kind: str = "image/png") -> tuple[bytes, dict[str, str]]:
    """Write pictures as the parts of a form; gives the body and its headers."""
    lines: list[bytes] = []
    for number, data in enumerate(pictures):
        disposition = f'Content-Disposition: form-data; name="{field_name}"; filename="{number}"'
        lines += [f"--{BOUNDARY}".encode(), disposition.encode(), f"Content-Type: {kind}".encode(), b"", data]
    return b"\r\n".join([*lines, f"--{BOUNDARY}--".encode(), b""]), {"Content-Type": FORM}


def tensor(images_u8: NDArray[np.uint8], outputs: tuple[str, ...] = ("digit",)) -> tuple[bytes, dict[str, str]]:
    """Write images uint8 [N, 28, 28] as an Open Inference Protocol request with binary data; body and headers."""
    data = images_u8.tobytes()
    entry = {
        "name": "images",
        "datatype": "UINT8",
        "shape": images_u8.shape,
        "parameters": {"binary_data_size": len(data)},
    }
    header = json.dumps({"inputs": [entry], "outputs": [{"name": name} for name in outputs]}).encode()
    kind = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(header))}
    return header + data, kind
