"""A server for a while, clients that keep it busy, and what they saw."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak import picture, post, start

MAX_GROWTH_MIB = 50.0


@dataclass
class Tally:
    """What came back: statuses, seconds to a 200, and what went wrong on the way."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    no_retry_after: int = 0

    def p99(self) -> float:
        """99th percentile of the seconds to a 200."""
        return sorted(self.seconds)[int(0.99 * (len(self.seconds) - 1))] if self.seconds else 0.0

    def __str__(self) -> str:
        """Statuses with their numbers, and the first few failures."""
        return (
            f"{dict(sorted(self.statuses.items()))}, p99 {self.p99() * 1e3:.0f} ms, broken: {self.broken[:3] or 'none'}"
        )


async def load(port: int, wire: bytes, connections: int, until: Callable[[], bool], tally: Tally) -> None:
    """Busy keep-alive clients; one that is told to close connects again, and a refused connection tries again."""

    async def client() -> None:
        while not until():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            try:
                await _ask_on(reader, writer, wire, until, tally)
            except (OSError, asyncio.IncompleteReadError) as error:
                tally.broken.append(repr(error)[:80])
            finally:
                writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))


async def _ask_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: bytes, until: Callable[[], bool], tally: Tally
) -> None:
    while not until():
        began = time.monotonic()
        writer.write(wire)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
        status = int(head[9:12])
        tally.statuses[status] += 1
        if status == 200:
            tally.seconds.append(time.monotonic() - began)
        tally.no_retry_after += status in (429, 503) and b"retry-after" not in head
        if b"connection: close" in head:
            return


def for_seconds(seconds: float) -> Callable[[], bool]:
    """Return what turns true after so many seconds."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the supervisor's children."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@contextmanager
def service(*more: str, **settings: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service for a while; its end must be clean."""
    names = {f"DIGITS_{name.upper()}": str(value) for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    process, port = start(*more)
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    try:
        yield process, port
    finally:
        process.terminate()
        process.wait(60)
        if process.stderr:
            process.stderr.close()


UPLOAD = post("/predict", picture(28, "PNG", 1), "image/png").replace(b"Host: soak", b"Host: a")
LARGER = post("/predict", picture(200, "PNG", 2), "image/png")
