"""The checks of what ends: a server that is stopped, a worker that is killed, instances that are restarted in turn."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.chaos.traffic import UPLOAD, Tally, load, service, workers_of
from benchmarks.soak import start

MAX_RECOVERY_S = 5.0


def stop() -> tuple[bool, str]:
    """SIGTERM and SIGINT under the load of 32 clients: no answer lost."""
    said = []
    good = True
    for how in (signal.SIGTERM, signal.SIGINT):
        with service(lame_duck_s=0.5) as (process, port):
            tally = Tally()
            status = asyncio.run(_stop_under_load(process, port, how, tally))
        good = good and not tally.broken and set(tally.statuses) == {200} and status == 0
        said.append(f"{how.name}: {tally}, status {status}")
    return good, "; ".join(said)


async def _stop_under_load(process: subprocess.Popen[str], port: int, how: signal.Signals, tally: Tally) -> int:
    clients = asyncio.create_task(load(port, UPLOAD, 32, lambda: process.poll() is not None, tally))
    await asyncio.sleep(2)
    process.send_signal(how)
    await clients
    return process.wait(60)


def kill() -> tuple[bool, str]:
    """SIGKILL of the worker under load: a new one answers within 5 s, and only what was in hand fails."""
    with service() as (process, port):
        tally = Tally()
        gap, again = asyncio.run(_kill_under_load(process, port, tally))
    good = gap < MAX_RECOVERY_S and len(tally.broken) <= 16 and again > 0
    return good, f"{tally}, {len(tally.broken)} of 16 requests in hand failed, next answer after {gap:.2f} s"


async def _kill_under_load(process: subprocess.Popen[str], port: int, tally: Tally) -> tuple[float, int]:
    over: list[bool] = []
    clients = asyncio.create_task(load(port, UPLOAD, 16, lambda: bool(over), tally))
    await asyncio.sleep(2)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    killed, before = time.monotonic(), len(tally.seconds)
    while len(tally.seconds) <= before and time.monotonic() - killed < 30:  # noqa: ASYNC110 - it is a count
        await asyncio.sleep(0.01)
    gap, again = time.monotonic() - killed, len(tally.seconds) - before
    over.append(True)
    await clients
    return gap, again


HAPROXY = """global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout check 5s
  option redispatch
  retries 3
frontend in
  bind 127.0.0.1:{port}
  default_backend both
backend both
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 1 rise 1
  server a 127.0.0.1:{a}
  server b 127.0.0.1:{b}
"""


def rolling() -> tuple[bool, str]:
    """Two instances behind haproxy are restarted in turn, under load: no failed request."""
    if not shutil.which("haproxy"):
        return True, "not run: haproxy is not installed"
    with (
        tempfile.TemporaryDirectory() as folder,
        service(lame_duck_s=1) as (one, a),
        service(lame_duck_s=1) as (two, b),
    ):
        port = a + 1 if a + 1 != b else b + 1
        config = Path(folder, "haproxy.cfg")
        config.write_text(HAPROXY.format(port=port, a=a, b=b))
        proxy = subprocess.Popen(["haproxy", "-f", str(config)], stderr=subprocess.DEVNULL)
        tally = Tally()
        try:
            asyncio.run(_restart_in_turn([(one, a), (two, b)], port, tally))
        finally:
            proxy.terminate()
            proxy.wait()
    return not tally.broken and set(tally.statuses) == {200}, str(tally)


async def _restart_in_turn(instances: list[tuple[subprocess.Popen[str], int]], port: int, tally: Tally) -> None:
    over: list[bool] = []
    await asyncio.sleep(1)
    clients = asyncio.create_task(load(port, UPLOAD, 16, lambda: bool(over), tally))
    replaced = []
    await asyncio.sleep(1)
    for process, at in instances:
        process.terminate()
        await asyncio.to_thread(process.wait)
        replaced.append((await asyncio.to_thread(start, "--port", str(at)))[0])
        await asyncio.sleep(1.5)  # the proxy finds it ready again
    over.append(True)
    await clients
    for process in replaced:
        process.terminate()
        process.wait(60)
