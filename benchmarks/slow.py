"""Slow clients: a phone's upload must pass, and a thousand that trickle must not hold the service up."""

from __future__ import annotations

import asyncio
import io
import time
from collections import Counter

import numpy as np
from PIL import Image

from benchmarks.soak import resident_mib

CLIENTS = 1000
RATE = 250_000  # bytes a second: `curl --limit-rate 250k`
MAX_HELD_S = 25.0  # the two windows of service/gateway/pace.py, and some
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"


async def upload(port: int) -> tuple[int, float, int]:
    """Send a picture of 3 MB at RATE; return status, seconds, bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (1730, 1730), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    body = file.getvalue()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % len(body))
    began = time.monotonic()
    for at in range(0, len(body), RATE // 10):
        writer.write(body[at : at + RATE // 10])
        await writer.drain()
        await asyncio.sleep(max(0.0, began + at / RATE - time.monotonic()))
    status = int((await reader.readline())[9:12])
    writer.close()
    return status, time.monotonic() - began, len(body)


async def trickle(port: int) -> tuple[int, float]:
    """Send a body of 1 MB byte by byte, one a second; return status (0: closed without one) and seconds held."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(HEAD % 2**20)
    answer = asyncio.create_task(reader.readline())
    while not answer.done():
        writer.write(b"a")
        await asyncio.wait([answer], timeout=1)
    writer.close()
    try:
        return int((await answer)[9:12] or 0), time.monotonic() - began
    except OSError:
        return 0, time.monotonic() - began


async def probe(port: int, over: asyncio.Event) -> list[float]:
    """Ask for /livez ten times a second, each on a connection of its own; return the seconds to each answer."""
    seconds = []
    while not over.is_set():
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        seconds.append(time.monotonic() - began)
        await asyncio.sleep(0.1)
    return seconds


async def measure(port: int, pid: int) -> tuple[bool, str]:
    """Return whether all is as promised, and the figures."""
    status, seconds, size = await upload(port)
    before, over = resident_mib(pid), asyncio.Event()
    probing = asyncio.create_task(probe(port, over))
    tricklers = [asyncio.create_task(trickle(port)) for _ in range(CLIENTS)]
    await asyncio.sleep(5)
    during = resident_mib(pid)
    ends = [await one for one in tricklers]
    over.set()
    probes = sorted(await probing)
    held_s = max(held for _, held in ends)
    good = status == 200 and {end for end, _ in ends} == {408} and held_s < MAX_HELD_S
    return good, (
        f"{size / 1e6:.1f} MB in {seconds:.1f} s: {status}; {CLIENTS} clients with a byte a second: "
        f"{dict(Counter(end for end, _ in ends))}, held {held_s:.1f} s at most, "
        f"memory {before:.0f} to {during:.0f} MiB; "
        f"/livez meanwhile p99 {probes[int(0.99 * (len(probes) - 1))] * 1e3:.0f} ms, worst {probes[-1] * 1e3:.0f} ms"
    )
