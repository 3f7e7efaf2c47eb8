"""The parent of the workers: starts, restarts and replaces them, and kills those that hang. Standard library only.

docs/decisions/supervisor.md compares it with uvicorn's and gunicorn's.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from service.server.metric_files import MetricFiles

BACK_OFF_S: Final = (0.0, 0.5, 1.0, 2.0, 5.0)  # before the next start of a worker that died, by its deaths in a row
STABLE_S: Final = 30.0  # a worker that lived for so long has not died in a row
START_S: Final = 300.0  # a worker that is not ready by then hangs
UNREADY_S: Final = 5.0  # one that was never ready has nothing to drain


class StartError(Exception):
    """The service cannot start; the message is one line for the person who started it."""


@dataclass
class Worker:
    """One child: its process, and the parent's end of the pipe on which it reports that it is ready.

    Attributes:
        patience_s: how long it may drain; it says so when it is ready, since it knows the settings.
        kill_at: when it counts as hanging, unless it is ready or has ended by then.
    """

    number: int
    process: subprocess.Popen[bytes]
    pipe: socket.socket
    slot: int | None = None
    started_at: float = field(default_factory=time.monotonic)
    kill_at: float = field(default_factory=lambda: time.monotonic() + START_S)
    patience_s: float = UNREADY_S
    ready: bool = False
    leaving: bool = False
    replaces: Worker | None = None


class Supervisor:
    """Keeps a number of workers alive on one listening socket.

    SIGTERM and SIGINT: all workers drain, then it ends with 0. SIGHUP: each worker is replaced, and told to drain only
    when its successor is ready, so that a new model or new settings cost no request. Signals that come while workers
    start are one more replacement, afterwards.

    Args:
        workers: how many.
        listener: the socket, which the workers inherit.
        files: where the workers count.
        greeting: said when the first worker is ready.
        listening: further arguments of a worker, of the socket.
    """

    def __init__(
        self,
        workers: int,
        listener: socket.socket,
        files: MetricFiles,
        greeting: str,
        listening: tuple[str, ...] = (),
    ) -> None:
        self._count = workers
        self._listener = listener
        self._files = files
        self._greeting = greeting
        self._listening = listening
        self._workers: list[Worker] = []
        self._deaths: dict[int, int] = {}
        self._due: list[tuple[float, int]] = []
        self._stopping = False
        self._reload_wanted = False
        self._ever_ready = False
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> int:
        """Serve until a signal; return the exit status."""
        self._wake_read.setblocking(False)  # noqa: FBT003
        self._wake_write.setblocking(False)  # noqa: FBT003
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for heard in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(heard, _ignore)  # the number arrives through the wake-up socket
        for number in range(1, self._count + 1):
            self._start(number)
        try:
            while self._workers or self._due:
                self._step()
        finally:
            for worker in self._workers:
                worker.process.kill()
        return 0

    def _step(self) -> None:
        self._wait()
        self._reap()
        self._start_due()
        self._reload_if_wanted()
        self._kill_late()

    def _wait(self) -> None:
        pipes = {worker.pipe: worker for worker in self._workers if not worker.ready}
        due = [at for at, _ in self._due] + [one.kill_at for one in self._workers if one.leaving or not one.ready]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([self._wake_read, *pipes], [], [], timeout)
        for one in readable:
            if one is self._wake_read:
                for number in self._wake_read.recv(64):
                    self._on_signal(number)
            else:
                self._on_ready(pipes[one])

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            first = not self._stopping
            self._stopping = True
            self._due.clear()
            self._listener.close()  # the workers hold it; the last one to leave empties its queue and closes it
            for worker in self._workers:
                if first:
                    worker.pipe.shutdown(socket.SHUT_WR)  # so a worker knows that nobody will listen after it
                if first or number == signal.SIGINT:
                    self._tell(worker, signal.SIGTERM if first else signal.SIGINT)
        elif number == signal.SIGHUP:
            self._reload_wanted = True

    def _reload_if_wanted(self) -> None:
        if not self._reload_wanted or self._stopping or self._due:
            return
        staying = [worker for worker in self._workers if not worker.leaving]
        if all(worker.ready and worker.replaces is None for worker in staying):
            self._reload_wanted = False
            for worker in staying:
                self._start(worker.number, replaces=worker)

    def _on_ready(self, worker: Worker) -> None:
        said = worker.pipe.recv(64)
        if not said:
            return  # it has ended; SIGCHLD tells
        worker.ready = True
        worker.patience_s = float(said)
        if worker.leaving:
            worker.kill_at = time.monotonic() + worker.patience_s
        if not self._ever_ready:
            self._ever_ready = True
            say(self._greeting)
        if worker.replaces is not None and not self._stopping:
            self._tell(worker.replaces, signal.SIGTERM)
        worker.replaces = None

    def _start(self, number: int, replaces: Worker | None = None) -> None:
        ours, theirs = socket.socketpair()
        slot = self._files.take()
        command = [
            *(sys.executable, "-m", "service.server.worker", "--number", str(number)),
            *("--socket", str(self._listener.fileno()), "--supervisor", str(theirs.fileno())),
            *self._listening,
            *(("--slot", str(slot)) if slot is not None else ()),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, pass_fds=(self._listener.fileno(), theirs.fileno()), stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._workers.append(Worker(number, process, ours, slot, replaces=replaces))

    def _reap(self) -> None:
        for worker in list(self._workers):
            status = worker.process.poll()
            if status is None:
                continue
            self._workers.remove(worker)
            worker.pipe.close()
            self._files.give_back(worker.slot)
            if self._stopping:
                continue
            successor = next((one for one in self._workers if one.replaces is worker), None)
            if successor is not None:
                successor.replaces = None  # it takes the place, ready or not
            elif not worker.leaving:
                self._on_death(worker, status)
        if os.getpid() == 1:  # in a container we inherit the orphans of the whole machine
            _reap_orphans({worker.process.pid for worker in self._workers})

    def _on_death(self, worker: Worker, status: int) -> None:
        if not self._ever_ready:
            raise StartError(f"the first worker ended with status {status} before it was ready; see the line above")
        if worker.replaces is not None:
            say(f"the new worker {worker.number} ended with status {status}; the old one stays")
            return
        lived = time.monotonic() - worker.started_at
        deaths = 0 if lived > STABLE_S else self._deaths.get(worker.number, 0)
        wait = BACK_OFF_S[min(deaths, len(BACK_OFF_S) - 1)]
        self._deaths[worker.number] = deaths + 1
        say(f"worker {worker.number} ended with status {status} after {lived:.0f} s; next start in {wait:g} s")
        self._due.append((time.monotonic() + wait, worker.number))

    def _start_due(self) -> None:
        now = time.monotonic()
        for due, number in [one for one in self._due if one[0] <= now]:
            self._due.remove((due, number))
            self._start(number)

    def _kill_late(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            if worker.kill_at <= now and (worker.leaving or not worker.ready):
                say(f"worker {worker.number} hangs and is killed")
                worker.kill_at = now + UNREADY_S
                worker.process.kill()

    def _tell(self, worker: Worker, number: signal.Signals) -> None:
        if not worker.leaving:
            worker.leaving = True
            worker.kill_at = time.monotonic() + worker.patience_s
        worker.process.send_signal(number)


def say(line: str) -> None:
    """Write one line to standard error at once; a failure to write is ignored."""
    with suppress(OSError, AttributeError):  # AttributeError: there is no standard error at all
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _reap_orphans(ours: set[int]) -> None:
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid in ours:
            return
        os.waitpid(found.si_pid, os.WNOHANG)


def _ignore(*_: object) -> None:
    """Do nothing: the wake-up socket reports the signal."""
