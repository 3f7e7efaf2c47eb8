"""The load generator: wrk, driven by a small Lua script, and what it says of one run."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.workloads import Call

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_S = 30


class BenchmarkError(Exception):
    """Something that is needed to measure is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class Measured:
    """One run of the load generator.

    Attributes:
        per_s: answers with a status of 2xx in a second.
        p50_ms, p99_ms, max_ms: latency in milliseconds.
        failed: answers with another status, and broken or timed-out connections.
        cpu_us: processor time that the server spent on one answer, microseconds; hardly moves with other load.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int
    cpu_us: float = 0.0


def find_wrk() -> str:
    """Give the path of wrk.

    Raises:
        BenchmarkError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError(
            "wrk, the load generator, is not on the PATH; install it with `apt-get install wrk` (Debian, Ubuntu) "
            "or `brew install wrk` (macOS), and run this again"
        )
    return path


def measure(base_url: str, call: Call, connections: int, seconds: int) -> Measured:
    """Send the same request over so many connections, each waiting for its answer, from one thread of wrk.

    Raises:
        BenchmarkError: wrk is missing or fails, or not one answer was good.
    """
    with tempfile.NamedTemporaryFile() as body:
        body.write(call.body)
        body.flush()
        headers = [f"{name}: {value}" for name, value in call.headers.items()]
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s", f"-s{SCRIPT}"]
        command = [find_wrk(), *options, base_url + call.path, "--", body.name, *headers]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 2 * TIMEOUT_S)
    if done.returncode != 0:
        raise BenchmarkError(f"wrk ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return parse(done.stdout)


def parse(output: str) -> Measured:
    """Read the line that load.lua writes.

    Raises:
        BenchmarkError: there is none.
    """
    line = next((line for line in output.splitlines() if line.startswith("measured ")), None)
    if line is None:
        raise BenchmarkError(f"wrk did not write its result, but {output.strip()[-300:]!r}")
    values = {name: int(value) for name, _, value in (word.partition("=") for word in line.split()[1:])}
    good = values["requests"] - values["refused"]
    return Measured(
        per_s=good / max(values["us"], 1) * 1e6,
        p50_ms=values["p50"] / 1e3,
        p99_ms=values["p99"] / 1e3,
        max_ms=values["max"] / 1e3,
        failed=values["refused"] + values["broken"],
    )
