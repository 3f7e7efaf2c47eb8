"""The real service as a real process on loopback, for the tests that talk to it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
BENTOML = (sys.executable, "-m", "bentoml", "serve", "service:DigitService", "--host", "127.0.0.1", "--port", "{port}")
OURS = (sys.executable, "-m", "service", "--port", "{port}")  # starts in half the time
START_LIMIT_S = 120
STOP_LIMIT_S = 30


@dataclass(frozen=True)
class Server:
    """A running service: its process, its port, and the file that takes its standard output and error."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Base URL without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    def log_text(self) -> str:
        """Everything that the service has written so far."""
        return self.log.read_text(errors="replace")

    def workers(self) -> list[int]:
        """Process ids of the supervisor's children."""
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def connect(self) -> socket.socket:
        """Open a plain TCP connection, for requests that no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(STOP_LIMIT_S)
        finally:
            kill_group(self.process)


StartServer = Callable[..., Server]


_given: set[int] = set()
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens now, and never the same twice.

    Two servers that start side by side would share a port, and the log that is named by it. So each of pytest's workers
    has ports of its own. The kernel gives odd ones first, therefore every other pair.
    """
    while True:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        if port not in _given and port // 2 % _workers == _worker:
            _given.add(port)
            return port


def start_server(
    folder: Path, command: tuple[str, ...] = OURS, *, wait: bool = True, cwd: Path = ROOT, **settings: object
) -> Server:
    """Start the service with settings (`max_queue=1` sets DIGITS_MAX_QUEUE), and wait until it is ready."""
    port = free_port()
    environment = {
        **os.environ,
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
        **{f"DIGITS_{name.upper()}": str(value) for name, value in settings.items()},
    }
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.format(port=port) for word in command],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(process, port, log)
    if wait:
        try:
            wait_ready(server)
        except BaseException:
            kill_group(process)
            raise
    return server


def wait_ready(server: Server) -> None:
    """Return as soon as /readyz answers 200; fail with the server's log if it ends, or takes too long."""
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        try:
            server.process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail(f"the server did not become ready (exit status {server.process.poll()}):\n{server.log_text()}")


def wait_for(condition: Callable[[], bool], limit_s: float = START_LIMIT_S) -> None:
    """Return once it holds; fail after the limit."""
    limit = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < limit, "it never came to hold"
        time.sleep(0.01)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of a server behind, whatever became of it."""
    descendants = []
    with suppress(psutil.NoSuchProcess):  # BentoML gives each worker a group of its own
        descendants = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for descendant in descendants:
        with suppress(psutil.NoSuchProcess):
            descendant.kill()
    process.wait()
