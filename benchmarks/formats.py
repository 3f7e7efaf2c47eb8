"""How long a 12-megapixel photo takes to decode in each format, and what memory the process apart takes.

`python -m benchmarks.formats` prints the table of docs/decisions/heic.md.
"""

from __future__ import annotations

import io
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import psutil
from PIL import Image, ImageDraw, ImageFilter
from pillow_heif import register_heif_opener

from service.preprocess import decode, sandbox

SIZE: Final = (4032, 3024)
REPEATS: Final = 7
FORMATS: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"format": "JPEG", "quality": 90},
    "HEIC": {"format": "HEIF", "quality": 60, "enc_params": {"preset": "ultrafast"}},
    "HEIC of tiles, as an iPhone writes it": {
        "format": "HEIF", "quality": 60, "enc_params": {"preset": "ultrafast"}, "tile_size": 512,
    },
    "AVIF": {"format": "AVIF", "quality": 70, "speed": 9},
}  # fmt: skip


def photo() -> Image.Image:
    """Draw a 7 in blue on uneven paper, with a sensor's noise."""
    width, height = SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    light = 205 - rows * (50 / height) - columns * (20 / width)
    noise = np.random.default_rng(1).normal(0, 3, light.shape)
    page = Image.fromarray(np.clip(light + noise, 0, 255).astype(np.uint8)).convert("RGB")
    stroke = [(0.22, 0.14), (0.75, 0.13), (0.6, 0.45), (0.45, 0.92)]
    points = [(width * 0.1 + x * height * 0.8, height * (0.1 + y * 0.8)) for x, y in stroke]
    ImageDraw.Draw(page).line(points, (35, 45, 120), 100, "curve")
    return page.filter(ImageFilter.GaussianBlur(1.2))


def main() -> None:
    """Write the photo in each format, and decode it in turn."""
    register_heif_opener()
    page = photo()
    files = {}
    for name, options in FORMATS.items():
        file = io.BytesIO()
        page.save(file, **options)
        files[name] = file.getvalue()
    started = perf_counter()
    decode(files["AVIF"])
    first = perf_counter() - started
    process = psutil.Process(sandbox._idle[0]._process.pid)  # noqa: SLF001
    idle = process.memory_info().rss
    print("| | bytes | decoded, upright and reduced to 640 pixels |\n|---|---|---|")
    for name, data in files.items():
        times = []
        for _ in range(REPEATS):
            started = perf_counter()
            decode(data)
            times.append(perf_counter() - started)
        print(f"| {name} | {len(data):,} | {median(times) * 1000:.0f} ms |")
    after = process.memory_info().rss
    print(f"process apart: {first:.2f} s for the first picture")
    print(f"resident after it {idle / 2**20:.0f} MiB, at the end {after / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
