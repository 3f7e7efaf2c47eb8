"""Soak: a mix of all routes at 70 % of capacity for a long time; does memory grow, does anything fail, does p99 drift?

    python -m benchmarks.soak --minutes 20

Starts `python -m service` itself. Requests leave by a fixed schedule, whatever the answers do, and a latency counts
from the moment that the schedule named, so that a stall shows in all that it delayed. The status is 1 if a promise of
docs/lab/reliability.md does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

CONNECTIONS = 32
SHARE = 0.7
WARM_UP_MINUTES = 3
MAX_GROWTH_MIB = 5.0
BOUNDARY = "soakboundary"
INFER = "/v2/models/digits/infer"
PLAIN = ("/", "/docs.json", "/metrics", "/readyz", "/livez", "/v2", "/schema.json", "/v2/models/digits")
REFUSED = b"POST /predict HTTP/1.1\r\nHost: soak\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n\r\n"


@dataclass(frozen=True)
class Shot:
    """One kind of request: its bytes on the wire, its weight in the mix, and the status that is right for it."""

    name: str
    weight: int
    wire: bytes
    status: int = 200


@dataclass
class Minute:
    """What one minute brought."""

    latencies: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def picture(side: int, kind: str, seed: int) -> bytes:
    """A dark stroke on a light, noisy ground, as a file."""
    grey = np.random.default_rng(seed).integers(200, 255, (side, side), np.uint8)
    grey[side // 5 : side * 4 // 5, side * 9 // 20 : side * 11 // 20] = 20
    file = io.BytesIO()
    Image.fromarray(grey).save(file, kind)
    return file.getvalue()


def form(field_name: str, files: list[bytes]) -> bytes:
    """Write files as multipart/form-data."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field_name}"; filename="a"\r\n\r\n'.encode()
    return b"".join(head + file + b"\r\n" for file in files) + f"--{BOUNDARY}--\r\n".encode()


def post(path: str, body: bytes, kind: str, *more: str) -> bytes:
    """Write a POST request as it goes over the wire."""
    head = [f"POST {path} HTTP/1.1", "Host: soak", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def get(path: str) -> bytes:
    """Write a GET request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: soak\r\n\r\n".encode()


def infer(count: int) -> bytes:
    """Write a V2 request with the binary extension."""
    entry = {"name": "images", "datatype": "UINT8", "shape": [count, 28, 28]}
    head = json.dumps({"inputs": [{**entry, "parameters": {"binary_data_size": 784 * count}}]}).encode()
    body = head + np.random.default_rng(count).integers(0, 255, 784 * count, np.uint8).tobytes()
    length = f"Inference-Header-Content-Length: {len(head)}"
    return post(INFER, body, "application/octet-stream", length)


def mix() -> list[Shot]:
    """All routes, the cheap ones more often."""
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    small, middle, large = picture(28, "PNG", 1), picture(200, "PNG", 2), picture(2000, "JPEG", 3)
    rows = [[[0] * 28] * 28]
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": [0] * 784}
    return [
        Shot("upload", 400, post("/predict", form("image", [small]), multipart)),
        Shot("middle", 60, post("/predict", middle, "image/png")),
        Shot("large", 6, post("/predict", large, "image/jpeg")),
        Shot("batch", 20, post("/predict_batch", form("images", [small] * 8), multipart)),
        Shot("tensor", 300, infer(1)),
        Shot("tensors", 30, infer(64)),
        Shot("json", 30, post(INFER, json.dumps({"inputs": [tensor]}).encode(), "application/json")),
        Shot("classify", 10, post("/classify", json.dumps({"images": rows}).encode(), "application/json")),
        Shot("explain", 2, post("/explain", small, "image/png")),
        *(Shot(path, 5, get(path)) for path in PLAIN),
        Shot("unknown path", 5, get("/nowhere"), 404),
        Shot("not a picture", 20, post("/predict", b"nothing to see", "image/png"), 422),
        Shot("too large", 2, REFUSED, 413),
    ]  # fmt: skip


class Connection:
    """A keep-alive connection that opens again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, wire: bytes) -> int:
        """Send one request and return the status of its answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        reader, writer = self._streams
        writer.write(wire)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        if b"connection: close" in head:
            writer.close()
            self._streams = None
        return int(head[9:12])

    def drop(self) -> None:
        """Forget a connection that failed."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def capacity(port: int, shots: list[Shot], seconds: float) -> float:
    """Requests a second that the server answers when it is always asked the next one."""
    done = 0
    end = time.monotonic() + seconds

    async def loop(seed: int) -> None:
        nonlocal done
        choose, connection = random.Random(seed), Connection(port)
        while time.monotonic() < end:
            await connection.ask(pick(choose, shots).wire)
            done += 1
        connection.drop()

    await asyncio.gather(*(loop(seed) for seed in range(CONNECTIONS // 2)))
    return done / seconds


def pick(choose: random.Random, shots: list[Shot]) -> Shot:
    """Draw from the mix."""
    return choose.choices(shots, [shot.weight for shot in shots])[0]


async def soak(port: int, shots: list[Shot], rate: float, minutes: float, pid: int) -> tuple[list[Minute], list[float]]:
    """Send by schedule; return what each minute brought, and the resident MiB at its end."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(Connection(port))
    record = [Minute() for _ in range(int(minutes) + 1)]
    memory: list[float] = []
    choose = random.Random(0)
    started = time.monotonic()
    tasks: set[asyncio.Task[None]] = set()

    async def fire(due: float, shot: Shot) -> None:
        connection = await free.get()
        minute = record[min(int((due - started) / 60), len(record) - 1)]
        try:
            status = await connection.ask(shot.wire)
            if status != shot.status:
                minute.wrong.append(f"{shot.name}: {status}")
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            minute.wrong.append(f"{shot.name}: {error!r}")
            connection.drop()
        finally:
            free.put_nowait(connection)
        minute.latencies.append(time.monotonic() - due)

    due = started
    while due < started + minutes * 60:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(fire(due, pick(choose, shots)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += choose.expovariate(rate)
        if (due - started) / 60 >= len(memory) + 1:
            memory.append(resident_mib(pid))
            report(len(memory), record[len(memory) - 1], memory[-1])
    await asyncio.gather(*tasks)
    return record[: len(memory)], memory


def report(number: int, minute: Minute, mib: float) -> None:
    """Say how a minute was."""
    print(
        f"minute {number:2}: {len(minute.latencies):6} answers, p50 {quantile(minute, 0.5):6.1f} ms, "
        f"p99 {quantile(minute, 0.99):6.1f} ms, {mib:6.1f} MiB, wrong: {minute.wrong[:3] or 'none'}",
        flush=True,
    )


def quantile(minute: Minute, share: float) -> float:
    """A latency in milliseconds."""
    ordered = sorted(minute.latencies)
    return ordered[int(share * (len(ordered) - 1))] * 1e3 if ordered else 0.0


def resident_mib(pid: int) -> float:
    """Resident memory of a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(resident_mib(int(child)) for child in children)


def start(*more: str) -> tuple[subprocess.Popen[str], int]:
    """Start the service on a free port and wait for the line that says so."""
    command = [sys.executable, "-m", "service", "--port", "0", *more]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in process.stderr or ():
        if line.startswith("listening on"):
            return process, int(line.rsplit(":", 1)[1])
    raise SystemExit("the service did not start")


def main() -> int:
    """Run and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, help="requests a second; 70 %% of the measured capacity if not given")
    options = parser.parse_args()
    process, port = start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service ends with this
    try:
        shots = mix()
        most = asyncio.run(capacity(port, shots, 10))
        rate = options.rate or SHARE * most
        print(f"capacity {most:.0f}/s with this mix; sending {rate:.0f}/s for {options.minutes:g} minutes", flush=True)
        record, memory = asyncio.run(soak(port, shots, rate, options.minutes, process.pid))
    finally:
        process.terminate()
        process.wait()
    warm = min(WARM_UP_MINUTES, len(memory) - 1)
    growth = memory[-1] - memory[warm]
    wrong = sum(len(minute.wrong) for minute in record)
    p99 = [quantile(minute, 0.99) for minute in record[warm:]]
    half = len(p99) // 2
    early, late = statistics.median(p99[:half] or p99), statistics.median(p99[half:])
    print(f"{sum(len(m.latencies) for m in record)} answers, {wrong} wrong, growth after warm-up {growth:+.1f} MiB, "
          f"p99 first half {early:.1f} ms, second half {late:.1f} ms")  # fmt: skip
    return int(wrong > 0 or growth > MAX_GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
