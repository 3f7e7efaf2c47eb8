"""Clients that submit images to the batcher, each waiting for its answer before it asks again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvloop
from numpy.typing import NDArray

from service.model.session import DigitSession
from service.recognition.async_recogniser import INLINE_IMAGES
from service.recognition.batcher import Batcher, BatchStatistics


@dataclass(frozen=True)
class Crowd:
    """So many clients, each with so many images a request, in front of a batcher of this size."""

    clients: int
    images: int
    max_batch: int


CROWDS = (
    Crowd(1, 1, 64),
    Crowd(16, 1, 64),
    Crowd(64, 1, 64),
    Crowd(256, 1, 64),
    Crowd(256, 1, 256),
    Crowd(1024, 1, 1024),
    Crowd(16, 64, 64),
    Crowd(16, 64, 1024),
    Crowd(8, 1024, 4096),
)


def serve_crowd(session: DigitSession, crowd: Crowd, images: NDArray[np.uint8], seconds: float) -> dict[str, float]:
    """Let a crowd ask for so many seconds: images in a second, latency p50 and p99 in ms, images in a mean run."""
    return uvloop.run(_serve(session, crowd, images[: crowd.images], seconds))  # the loop that serves


async def _serve(session: DigitSession, crowd: Crowd, images: NDArray[np.uint8], seconds: float) -> dict[str, float]:
    runs: list[BatchStatistics] = []
    batcher = Batcher(
        session.run,
        max_batch=crowd.max_batch,
        max_queue=2 * crowd.clients * crowd.images,
        max_inline=INLINE_IMAGES if session.provider == "cpu" else 0,
        observe=runs.append,
    )
    taken: list[float] = []

    async def client(ends_at: float) -> None:
        while (began := time.perf_counter()) < ends_at:
            await batcher.submit(images)
            taken.append(time.perf_counter() - began)

    async def ask(length_s: float) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(client(began + length_s) for _ in range(crowd.clients)))
        return time.perf_counter() - began

    await ask(seconds / 5)  # warms up
    runs.clear()
    taken.clear()
    lasted = await ask(seconds)
    batcher.close()
    p50, p99 = np.percentile(taken, [50, 99])
    return {
        "per_s": len(taken) * crowd.images / lasted,
        "p50_ms": float(p50) * 1e3,
        "p99_ms": float(p99) * 1e3,
        "images_a_run": float(np.mean([run.images for run in runs])),
    }


def describe(crowd: Crowd) -> dict[str, Any]:
    """What a crowd is, as JSON."""
    return {"clients": crowd.clients, "images": crowd.images, "max_batch": crowd.max_batch}
