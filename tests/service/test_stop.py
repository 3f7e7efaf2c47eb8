"""The end of a server under load: told beforehand, nothing lost, status 0; and workers that die are replaced."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from serving import Server, StartServer

OURS = (sys.executable, "-m", "service", "--port", "{port}")
CLIENTS = 16
QUIET = {"lame_duck_s": 0}


class Load:
    """Busy keep-alive clients; each answer that was due and did not come is counted as lost."""

    def __init__(self, port: int) -> None:
        self.answers = 0
        self.lost: list[str] = []
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        while self.answers < CLIENTS * 5 and not self.lost:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._over.is_set():
            try:
                connection.connect()
            except ConnectionRefusedError:  # nothing listens: refused, and so not lost
                return
            try:
                self._ask_until_told_to_close(connection)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                return
            finally:
                connection.close()

    def _ask_until_told_to_close(self, connection: http.client.HTTPConnection) -> None:
        while not self._over.is_set():
            connection.request("GET", "/v2/models/digits")
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                self.lost.append(f"status {answer.status}")
            self.answers += 1
            if answer.will_close:
                return


def workers_of(server: Server) -> list[int]:
    """Process ids of a supervisor's children."""
    pid = server.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def answers(server: Server) -> bool:
    """Whether /livez answers 200 within the patience of a test."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("command", "how"),
    [(None, signal.SIGTERM), (OURS, signal.SIGTERM), (OURS, signal.SIGINT)],
    ids=["bentoml", "service", "service, Ctrl-C"],
)
def test_no_answer_is_lost_when_the_end_comes_under_load(
    launch: StartServer, command: tuple[str, ...] | None, how: signal.Signals
) -> None:
    """Busy keep-alive clients are told to close and never cut off; the process ends with 0."""
    settings = {"lame_duck_s": 0.3}
    server = launch(command, **settings) if command else launch(**settings)
    with Load(server.port) as load:
        status = server.stop(how)
    assert load.lost == []
    assert status == 0, server.log_text()


def test_first_it_says_not_ready_then_it_closes(launch: StartServer) -> None:
    """In the lame duck an idle connection stays open, /readyz says 503, and other requests are answered."""
    server = launch(OURS, lame_duck_s=1.5)
    idle = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(2)]
    for connection in idle:
        connection.request("GET", "/livez")
        connection.getresponse().read()
    os.kill(workers_of(server)[0], signal.SIGTERM)
    while "draining" not in server.log_text() and workers_of(server):
        time.sleep(0.01)
    idle[0].request("GET", "/readyz")
    ready = idle[0].getresponse()
    idle[1].request("GET", "/livez")
    live = idle[1].getresponse()
    assert (ready.status, ready.will_close) == (503, True)
    assert (live.status, live.will_close) == (200, True)
    for connection in idle:
        connection.close()
    server.stop()


def test_what_waits_in_the_backlog_is_answered(launch: StartServer) -> None:
    """Connections that the kernel has accepted and the worker has not are answered before it ends."""
    server = launch(OURS, **QUIET)
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGSTOP)
    waiting = [server.connect() for _ in range(20)]
    for connection in waiting:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    server.process.terminate()
    os.kill(worker, signal.SIGCONT)
    for connection in waiting:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        connection.close()
    assert server.stop() == 0


def test_a_killed_worker_is_replaced_also_in_a_container(launch: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL costs what the worker had in hand; the listening socket stays open, and a new worker answers."""
    monkeypatch.setenv("BENTOML_CONTAINERIZED", "true")  # BentoML's own supervisor would leave it dead
    server = launch(OURS, **QUIET)
    (first,) = workers_of(server)
    os.kill(first, signal.SIGKILL)
    assert answers(server)
    assert workers_of(server) != [first]
    assert "ended with status -9" in server.log_text()
    assert server.stop() == 0


def test_sighup_replaces_the_worker_without_losing_a_request(launch: StartServer) -> None:
    """The old worker drains when the new one is ready."""
    server = launch(OURS, lame_duck_s=0.1)
    (first,) = workers_of(server)
    with Load(server.port) as load:
        server.process.send_signal(signal.SIGHUP)
        while first in workers_of(server):
            time.sleep(0.02)
    assert load.lost == []
    assert len(workers_of(server)) == 1
    assert server.stop() == 0


def test_no_worker_outlives_its_supervisor(launch: StartServer) -> None:
    """A supervisor that is killed leaves no server behind on the port."""
    server = launch(OURS, **QUIET)
    (worker,) = workers_of(server)
    server.process.kill()
    server.process.wait()
    with suppress(ConnectionError), server.connect() as connection:
        connection.recv(1)
    while Path(f"/proc/{worker}/stat").exists() and ") Z " not in Path(f"/proc/{worker}/stat").read_text():
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "/nowhere"}, "cannot open the model folder"),
        ({"timeout_s": "soon"}, "DIGITS_TIMEOUT_S='soon'"),
        ({"provider": "cuda"}, "provider 'cuda'"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(launch: StartServer, settings: dict[str, str], said: str) -> None:
    """A wrong setting, model or provider ends the start with status 1 and an error that names it, and no traceback."""
    server = launch(OURS, wait=False, **settings)
    assert server.process.wait(60) == 1
    log = server.log_text()
    assert re.search(rf"error: .*{re.escape(said)}", log), log
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_said_in_one_line(launch: StartServer) -> None:
    """Nothing is started, and the line names the port and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = launch((sys.executable, "-m", "service", "--port", str(port)), wait=False)
        assert server.process.wait(60) == 1
    (line,) = server.log_text().splitlines()
    assert f"port {port}: Address already in use" in line


def test_two_servers_of_one_user_count_apart(launch: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a second server nor a home that cannot be written disturbs the first one's metrics."""
    monkeypatch.setenv("HOME", "/proc/none")
    first = launch(OURS, **QUIET)
    for _ in range(3):
        assert answers(first)
    launch(OURS, **QUIET)
    connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert re.search(r'digits_request_seconds_count\{route="/livez",status="200"\} 3\.0', text), text
