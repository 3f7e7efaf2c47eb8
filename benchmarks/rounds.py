"""Rounds: every server gets its turn in each, so that a drift of the machine's speed meets all of them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.load import BenchmarkError, Measured, measure
from benchmarks.servers import Running, Server, running
from benchmarks.workloads import WORKLOADS, Call

PROBE_EVERY_S = 0.02
PROBED = "photo"
WARM_UP_S = 1  # the least that wrk takes


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long: `seconds` for each figure, in each of `rounds`."""

    seconds: int
    rounds: int
    connections: tuple[int, ...]
    workloads: tuple[str, ...]

    def cells(self, server: Server) -> list[tuple[str, int]]:
        """Workloads and connections at which this server is measured."""
        return [
            (name, connections)
            for name in self.workloads
            if name in server.calls
            for connections in self.connections
            if connections <= WORKLOADS[name].max_connections
        ]


@dataclass
class Row:
    """All that was measured of one server, a value for each round."""

    server: Server
    workers: int = 1
    ready_s: list[float] = field(default_factory=list)
    start_mib: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    cells: dict[tuple[str, int], list[Measured]] = field(default_factory=dict)
    problem: str | None = None

    @property
    def title(self) -> str:
        """The server's title, with its workers where they are several."""
        return self.server.title if self.workers == 1 else f"{self.server.title}, {self.workers} workers"

    def cell(self, workload: str, connections: int) -> Measured | None:
        """Medians over the rounds; failures are added up."""
        runs = self.cells.get((workload, connections))
        if not runs:
            return None
        return Measured(
            per_s=median(run.per_s for run in runs),
            p50_ms=median(run.p50_ms for run in runs),
            p99_ms=median(run.p99_ms for run in runs),
            max_ms=max(run.max_ms for run in runs),
            failed=sum(run.failed for run in runs),
            cpu_us=median(run.cpu_us for run in runs),
        )


def measure_rounds(rows: list[Row], plan: Plan, say: Callable[[str], None]) -> None:
    """Fill the rows, in place; a server that fails becomes a row that says so."""
    for number in range(plan.rounds):
        for row in rows:
            if row.problem is not None:
                continue
            say(f"round {number + 1} of {plan.rounds}: {row.title}")
            try:
                with running(row.server, row.workers) as server:
                    _measure_once(row, server, plan)
            except BenchmarkError as error:
                row.problem = str(error)
                say(row.problem)


def _measure_once(row: Row, server: Running, plan: Plan) -> None:
    row.ready_s.append(server.ready_s)
    row.start_mib.append(server.resident_mib())
    for name in sorted({name for name, _ in plan.cells(row.server)}):
        check(server.url, row.server.calls[name])
    for name, connections in plan.cells(row.server):
        call = row.server.calls[name]
        measure(server.url, call, connections, WARM_UP_S)
        with probing(server.url, row.server.live if name == PROBED else None) as probes:
            before = server.cpu_s()
            found = measure(server.url, call, connections, plan.seconds)
            answers = max(1.0, found.per_s * plan.seconds)
            found = replace(found, cpu_us=(server.cpu_s() - before) / answers * 1e6)
        row.cells.setdefault((name, connections), []).append(found)
        row.live_ms += probes
    row.resident_mib.append(server.resident_mib())


def check(url: str, call: Call) -> None:
    """Send one request before thousands.

    Raises:
        BenchmarkError: the answer's status is not 200.
    """
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", call.path, call.body, call.headers)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise BenchmarkError(
                f"{call.path} answered {answer.status}: {answer.read()[:300].decode(errors='replace')}"
            )
    except (OSError, http.client.HTTPException) as error:
        raise BenchmarkError(f"{call.path} gave no answer: {error}") from error
    finally:
        connection.close()


@contextmanager
def probing(url: str, path: str | None) -> Iterator[list[float]]:
    """Ask for `path` again and again meanwhile; the list fills with the milliseconds that each answer took."""
    times: list[float] = []
    if path is None:
        yield times
        return
    done = threading.Event()

    def probe() -> None:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        try:
            while not done.wait(PROBE_EVERY_S):
                started = time.perf_counter()
                connection.request("GET", path)
                connection.getresponse().read()
                times.append((time.perf_counter() - started) * 1e3)
        except (OSError, http.client.HTTPException):
            times.append(float("inf"))
        finally:
            connection.close()

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()
