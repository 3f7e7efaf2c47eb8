"""Chaos: what a service meets in production, all of it on purpose; each promise of docs/reliability.md is one check.

    python -m benchmarks.chaos [hostile slow overload stop kill rolling faults]

Starts its own servers. `rolling` needs haproxy, some of `faults` need root; both say so where they cannot run. The
status is 1 if a promise does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import slow as slow_clients
from benchmarks.hostile import Attack, attacks
from benchmarks.soak import picture, post, resident_mib, start

HARMLESS = {200, 204, 400, 401, 404, 405, 408, 413, 415, 422, 429, 431, 503, 504}
ATTACKS = 10_000
MAX_ATTACK_S = 10.0
MAX_GROWTH_MIB = 50.0
MAX_P99_S = 3.0
MAX_RECOVERY_S = 5.0


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


def hostile() -> tuple[bool, str]:
    """10,000 hostile requests: nothing but refusals, no death, no hang, no growth."""
    with service() as (process, port):
        list(asyncio.run(_attack(port, attacks(200, 0))))
        workers, before = workers_of(process), resident_mib(process.pid)
        results = asyncio.run(_attack(port, attacks(ATTACKS, 1)))
        after = resident_mib(process.pid)
        alive = workers_of(process) == workers
    statuses = Counter(status for _, status, _ in results)
    odd = [(attack.name, status) for attack, status, _ in results if status and status not in HARMLESS]
    slowest = max(seconds for _, _, seconds in results)
    good = not odd and alive and slowest < MAX_ATTACK_S and after - before < MAX_GROWTH_MIB
    detail = f"{dict(sorted(statuses.items()))} (0: closed without an answer), slowest {slowest:.2f} s, "
    return (
        good,
        detail + f"memory {before:.0f} to {after:.0f} MiB, worker alive: {alive}, not harmless: {odd[:5] or 'none'}",
    )


async def _attack(port: int, drawn: Iterator[Attack]) -> list[tuple[Attack, int, float]]:
    results: list[tuple[Attack, int, float]] = []

    async def client() -> None:
        for attack in drawn:
            began = time.monotonic()
            results.append((attack, await _one(port, attack), time.monotonic() - began))

    await asyncio.gather(*(client() for _ in range(8)))
    return results


async def _one(port: int, attack: Attack) -> int:
    answer = b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(attack.wire)
        if b"Connection: close" not in attack.wire:
            writer.write_eof()
        async with asyncio.timeout(30):
            answer = await reader.read(2**20)
        writer.close()
    except (OSError, TimeoutError):
        pass
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def slow() -> tuple[bool, str]:
    """A slow, steady upload is answered; a thousand that trickle are refused, and disturb nobody."""
    with service() as (process, port):
        return asyncio.run(slow_clients.measure(port, process.pid))


def overload() -> tuple[bool, str]:
    """300 connections on one worker: only 200, 429 and 503, in bounded time, and back to normal at once."""
    with service() as (process, port):
        calm, burst, after = Tally(), Tally(), Tally()
        asyncio.run(load(port, LARGER, 16, for_seconds(5), calm))
        before = resident_mib(process.pid)
        asyncio.run(load(port, LARGER, 300, for_seconds(10), burst))
        memory = resident_mib(process.pid)
        time.sleep(1)
        asyncio.run(load(port, LARGER, 16, for_seconds(5), after))
    bound = 3 * calm.p99() * 64 / 16  # 64 pictures may wait for decoding: service/recognition/recogniser.py
    good = set(burst.statuses) <= {200, 429, 503} and not burst.no_retry_after and not burst.broken
    good = good and burst.p99() < min(MAX_P99_S, bound) and memory - before < MAX_GROWTH_MIB
    good = good and set(after.statuses) == {200} and after.p99() < 3 * calm.p99()
    return good, (
        f"16 connections: {calm}; 300 connections: {burst}, {burst.no_retry_after} refusals without Retry-After, "
        f"memory {before:.0f} to {memory:.0f} MiB; a second later: {after}"
    )


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


def faults() -> tuple[bool, str]:
    """Read-only and full disks, no home, no permission: no effect, or one line that says what is wrong."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return True, "not run: needs root and unshare"
    cases = {
        "home that is none": "export HOME=/proc/none; exec ",
        "temporary folder full": "mount -t tmpfs -o size=4k none /tmp; head -c 4096 /dev/zero > /tmp/full; exec ",
        "temporary folder read-only": "mount -t tmpfs -o ro none /tmp; export HOME=/proc/none; exec ",
        "disk of the log full": "exec 2>/dev/full 1>/dev/full; exec ",
    }
    said, good = [], True
    for name, prefix in cases.items():
        answered = _answers_in(prefix)
        good = good and answered
        said.append(f"{name}: {'answers' if answered else 'DOES NOT ANSWER'}")
    full = "mount -t tmpfs -o size=4k none /tmp; head -c 4096 /dev/zero > /tmp/full; "
    nowhere = "export TMPDIR=/tmp; mount --bind / / && mount -o remount,ro,bind /; exec "
    answered = _answers_in(full + nowhere, "--workers", "2")
    good = good and answered
    said.append(f"two workers, temporary folder full: {'answers' if answered else 'DOES NOT ANSWER'}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0)
        unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        line = _last_line([*unprivileged, *_command(0)], DIGITS_MODEL=folder)
        good = good and "ermission denied" in line and "status" not in line
        said.append(f"no permission on the model: {line!r}")
    return good, "; ".join(said)


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "service", "--port", str(port)]


def _last_line(command: list[str], **more: str) -> str:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=60, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return errors[0] if errors else f"status {done.returncode}: {done.stderr[-300:]}"


def _answers_in(prefix: str, *more: str) -> bool:
    port = 20000 + os.getpid() % 20000 + int(time.monotonic()) % 1000
    words = ["unshare", "--mount", "sh", "-c", prefix + " ".join((*_command(port), *more))]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                    return bool(answer.status == 200)
            except OSError:
                time.sleep(0.1)
        return False
    finally:
        process.terminate()
        process.wait(60)


CHECKS = (hostile, slow, overload, stop, kill, rolling, faults)


def main() -> int:
    """Run the checks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", help="some of " + ", ".join(check.__name__ for check in CHECKS))
    wanted = parser.parse_args().checks
    failed = []
    for check in CHECKS:
        if not wanted or check.__name__ in wanted:
            good, detail = check()
            print(f"{'ok  ' if good else 'FAIL'} {check.__name__}: {check.__doc__}\n     {detail}", flush=True)
            failed += [] if good else [check.__name__]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
