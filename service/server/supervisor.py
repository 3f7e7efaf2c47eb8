"""The parent of the workers: binds the socket, starts them, and starts them again; standard library alone.

BentoML's own supervisor needs 100 MiB, and in a container it does not start a dead worker again.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

BACKLOG = 2048
BACK_OFF_S = (0.0, 0.5, 1.0, 2.0, 5.0)  # before the next start of a worker that died, by its deaths in a row
STABLE_S = 30.0  # a worker that lived for so long has not died in a row
KILL_AFTER_S = 60.0  # beyond lame duck and deadline together, a worker hangs
# glibc gives each thread an arena of its own, which never shrinks; two are plenty for a few threads.
WORKER_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "BENTOML_DO_NOT_TRACK": "True"}


class StartError(Exception):
    """The service cannot start; the message is one line for the person who started it."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    workers: int


@dataclass
class Worker:
    """One child: its process, and our end of the pipe on which it says that it is ready."""

    number: int
    process: subprocess.Popen[bytes]
    pipe: socket.socket
    started_at: float = field(default_factory=time.monotonic)
    ready: bool = False
    leaving: bool = False
    replaces: Worker | None = None


class Supervisor:
    """Keeps a number of workers alive on one listening socket.

    SIGTERM and SIGINT: all workers drain, then it ends with 0. SIGHUP: each worker is replaced, and told to drain only
    when its successor is ready, so that a new model or new settings cost no request.
    """

    def __init__(self, options: Options, listener: socket.socket) -> None:
        self._options = options
        self._listener = listener
        self._workers: list[Worker] = []
        self._deaths: dict[int, int] = {}
        self._due: list[tuple[float, int]] = []
        self._stopping_since: float | None = None
        self._ever_ready = False
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> int:
        """Serve until a signal; return the exit status."""
        self._wake_read.setblocking(False)  # noqa: FBT003
        self._wake_write.setblocking(False)  # noqa: FBT003
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for heard in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(heard, _ignore)  # the number arrives through the wake-up socket
        for number in range(1, self._options.workers + 1):
            self._start(number)
        try:
            while self._workers or self._due:
                self._wait()
                self._reap()
                self._start_due()
                self._kill_late()
        finally:
            for worker in self._workers:
                worker.process.kill()
        return 0

    def _wait(self) -> None:
        pipes = {worker.pipe: worker for worker in self._workers if not worker.ready}
        timeout = 1.0 if self._stopping_since is not None or self._due else None
        if self._due:
            timeout = max(0.0, min(due for due, _ in self._due) - time.monotonic())
        readable, _, _ = select.select([self._wake_read, *pipes], [], [], timeout)
        for one in readable:
            if one is self._wake_read:
                for number in self._wake_read.recv(64):
                    self._on_signal(number)
            elif one.recv(1):
                self._on_ready(pipes[one])

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            first = self._stopping_since is None
            self._stopping_since = self._stopping_since or time.monotonic()
            self._due.clear()
            self._listener.close()  # the workers hold it; the last one to leave empties its queue and closes it
            for worker in self._workers:
                if first:
                    worker.pipe.shutdown(socket.SHUT_WR)  # so a worker knows that nobody will listen after it
                if first or number == signal.SIGINT:
                    self._tell(worker, signal.SIGTERM if first else signal.SIGINT)
        elif number == signal.SIGHUP and self._stopping_since is None:
            for worker in [one for one in self._workers if one.ready and not one.leaving]:
                self._start(worker.number, replaces=worker)

    def _on_ready(self, worker: Worker) -> None:
        worker.ready = True
        if not self._ever_ready:
            self._ever_ready = True
            say(f"listening on http://{self._options.host}:{self._listener.getsockname()[1]}")
        if worker.replaces is not None and self._stopping_since is None:
            self._tell(worker.replaces, signal.SIGTERM)
        worker.replaces = None

    def _start(self, number: int, replaces: Worker | None = None) -> None:
        ours, theirs = socket.socketpair()
        command = [
            *(sys.executable, "-m", "service.server.worker", "--number", str(number)),
            *("--socket", str(self._listener.fileno()), "--supervisor", str(theirs.fileno())),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own module
            command, pass_fds=(self._listener.fileno(), theirs.fileno()), stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._workers.append(Worker(number, process, ours, replaces=replaces))

    def _reap(self) -> None:
        for worker in list(self._workers):
            status = worker.process.poll()
            if status is None:
                continue
            self._workers.remove(worker)
            worker.pipe.close()
            _forget_gauges(worker.process.pid)
            if self._stopping_since is not None or worker.leaving:
                continue
            if not self._ever_ready:
                raise StartError(f"the first worker ended with status {status} before it was ready; see the line above")
            if worker.replaces is not None:
                say(f"the new worker {worker.number} ended with status {status}; the old one stays")
                continue
            lived = time.monotonic() - worker.started_at
            deaths = 0 if lived > STABLE_S else self._deaths.get(worker.number, 0)
            wait = BACK_OFF_S[min(deaths, len(BACK_OFF_S) - 1)]
            self._deaths[worker.number] = deaths + 1
            say(f"worker {worker.number} ended with status {status} after {lived:.0f} s; next start in {wait:g} s")
            self._due.append((time.monotonic() + wait, worker.number))
        if os.getpid() == 1:  # in a container we inherit the orphans of the whole machine
            _reap_orphans({worker.process.pid for worker in self._workers})

    def _start_due(self) -> None:
        now = time.monotonic()
        for due, number in [one for one in self._due if one[0] <= now]:
            self._due.remove((due, number))
            self._start(number)

    def _kill_late(self) -> None:
        if self._stopping_since is not None and time.monotonic() - self._stopping_since > KILL_AFTER_S:
            for worker in self._workers:
                worker.process.kill()

    def _tell(self, worker: Worker, number: signal.Signals) -> None:
        worker.leaving = True
        worker.process.send_signal(number)


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes any free one.

    Raises:
        StartError: the port is taken, or the address is not ours to bind.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"cannot listen on {host} port {port}: {reason}; choose others by --host and --port") from None


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; DIGITS_WORKERS is the default of --workers."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve handwritten digits over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; 0.0.0.0 is every one)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (3000); 0 takes any free one")
    parser.add_argument("--workers", type=int, default=os.environ.get("DIGITS_WORKERS") or 1, help="processes (1)")
    options = parser.parse_args(arguments)
    if not 1 <= options.workers <= 256:
        parser.error(f"argument --workers: {options.workers} is not between 1 and 256")
    return Options(options.host, options.port, options.workers)


def main(arguments: list[str] | None = None) -> int:
    """Run the service; return the exit status."""
    options = parse(arguments)
    _raise_file_limit()
    os.environ.update({name: os.environ.get(name, value) for name, value in WORKER_ENVIRONMENT.items()})
    os.environ["DIGITS_WORKERS"] = str(options.workers)
    try:
        with bind(options.host, options.port) as listener, _metrics_folder(options.workers):
            return Supervisor(options, listener).run()
    except StartError as error:
        say(f"error: {error}")
        return 1


def say(line: str) -> None:
    """Write one line for people, at once; where nothing can be written, serving matters more."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _metrics_folder(workers: int) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="digits-metrics-", ignore_cleanup_errors=True)
    if workers > 1:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder.name
    return folder


def _forget_gauges(pid: int) -> None:
    """Take what a worker that has gone said of the present out of /metrics; what it counted stays.

    So does prometheus_client.multiprocess.mark_process_dead, which is not imported here for its size.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is not None:
        for path in Path(folder).glob(f"gauge_live*_{pid}.db"):
            path.unlink(missing_ok=True)


def _raise_file_limit() -> None:
    """Take all the file descriptors that we may have: each connection is one, and the usual soft limit is 1,024."""
    import resource  # noqa: PLC0415 - not on every system

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
    """Let the wake-up socket tell."""
