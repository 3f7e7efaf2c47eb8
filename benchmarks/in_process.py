"""The limit within one process: what the network, the preprocessing and the batcher cost without any HTTP."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from statistics import median

from PIL import Image

from benchmarks.workloads import draw_digit, images, photo, png
from service.artifact import load_artifact
from service.batching import Batcher
from service.preprocess import preprocess
from service.session import DigitSession
from service.settings import load_settings

BATCHES = (1, 8, 64)
REPEATS = 7


def measure_in_process(seconds: float = 0.2) -> list[list[str]]:
    """Measure; gives the lines of a table: what, time for one call, and images in a second."""
    session = DigitSession(load_artifact(load_settings().model), "cpu", 1)
    lines = [["in one process, one thread", "µs a call", "images/s"]]
    for count in BATCHES:
        batch = images(count)
        us = microseconds(lambda batch=batch: session.run(batch), seconds)  # type: ignore[misc]
        lines.append([f"network, batch of {count}", f"{us:.1f}", f"{count / us * 1e6:,.0f}"])
    for name, data in kinds().items():
        us = microseconds(lambda data=data: preprocess(data), seconds)  # type: ignore[misc]
        lines.append([f"preprocessing, {name}", f"{us:.0f}", f"{1e6 / us:,.0f}"])
    direct, batched = asyncio.run(lone_request(session, seconds))
    lines.append(["a lone image, the session called directly", f"{direct:.1f}", f"{1e6 / direct:,.0f}"])
    lines.append(["a lone image through the batcher", f"{batched:.1f}", f"{1e6 / batched:,.0f}"])
    return lines


def kinds() -> dict[str, bytes]:
    """Name to picture file: the kinds of pictures that people send."""
    digit = draw_digit()
    canvas = Image.new("RGBA", digit.size)
    canvas.putalpha(digit)
    with Image.open(io.BytesIO(photo())) as page:
        small = page.resize((640, 480))
    return {
        "28 × 28 PNG in MNIST's manner": png(images(1)[0]),
        "280 × 280 PNG with transparency, as the page sends": png(canvas),
        "640 × 480 PNG of paper": png(small),
        "12-megapixel JPEG of paper": photo(),
    }


async def lone_request(session: DigitSession, seconds: float) -> tuple[float, float]:
    """Microseconds for one image at a time: by calling the session within a coroutine, and through the batcher."""
    image = images(1)
    batcher = Batcher(session.run)

    async def direct() -> None:
        session.run(image)

    async def batched() -> None:
        await batcher.submit(image)

    times: dict[str, list[float]] = {"direct": [], "batched": []}
    for _ in range(REPEATS):
        for name, call in (("direct", direct), ("batched", batched)):
            calls, started = 0, time.perf_counter()
            while (spent := time.perf_counter() - started) < seconds / REPEATS:
                for _ in range(20):
                    await call()
                calls += 20
            times[name].append(spent / calls * 1e6)
    batcher.close()
    return median(times["direct"]), median(times["batched"])


def microseconds(call: Callable[[], object], seconds: float) -> float:
    """Time one call takes: the median of REPEATS means, within about `seconds`."""
    call()
    started = time.perf_counter()
    call()
    count = max(1, int(seconds / REPEATS / max(time.perf_counter() - started, 1e-7)))
    means = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for _ in range(count):
            call()
        means.append((time.perf_counter() - started) / count * 1e6)
    return median(means)
