"""What is sent: the pictures of benchmarks/pictures.py as requests of each kind."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.pictures import draw_digit, png
from service.preprocess import preprocess
from service.preprocess.layout import is_mnist_style

BOUNDARY = "a-boundary-of-the-benchmark"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
BATCH = 32


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
        Workload("blank", 1, "one blank 28 × 28 PNG as multipart/form-data"),
        Workload("raw", 1, "one 28 × 28 PNG as the body itself"),
        Workload("pixels1", 1, "one image as a tensor of 784 bytes"),
        Workload("pixels64", 64, "64 images as one tensor"),
        Workload("drawing", 1, "one 280 × 280 drawing with transparency, a PNG as multipart/form-data"),
        Workload("snapshot", 1, "one 640 × 480 JPEG as multipart/form-data"),
        Workload("photo", 1, "one 12-megapixel JPEG as multipart/form-data", max_connections=16),
        Workload("batch32", BATCH, "32 PNGs as multipart/form-data in one request", max_connections=16),
    )
}


def images(count: int) -> NDArray[np.uint8]:
    """Draw `count` images that are as MNIST's: uint8 [count, 28, 28], which preprocessing passes on unchanged."""
    drawn = (preprocess(png(draw_digit(number))).image for number in range(16))
    return np.stack(list(islice(cycle(image for image in drawn if is_mnist_style(image)), count)))


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
