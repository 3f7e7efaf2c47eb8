"""The end of a server under load: told beforehand, nothing lost, status 0; and workers that die are replaced."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import onnxruntime
import psutil
import pytest
from serving import BENTOML, OURS, START_LIMIT_S, Server, start_server, wait_for, wait_ready

from service.model.artifact import load_artifact
from service.model.session import PROVIDERS
from service.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from serving import StartServer

CLIENTS = 16
LAME_DUCK_S = 1  # a client that gets no processor for so long is taken for idle, and its connection closed
QUIET = {"lame_duck_s": 0}


class Load:
    """Busy keep-alive clients; each answer that was due and did not come is counted as lost."""

    def __init__(self, port: int, pause_s: float = 0) -> None:
        self.answers = 0
        self.lost: list[str] = []
        self._port = port
        self._pause_s = pause_s
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.answers >= CLIENTS * 5 or bool(self.lost))
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
        while not self._over.wait(self._pause_s):
            connection.request("GET", "/v2/models/digits")
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                self.lost.append(f"status {answer.status}")
            self.answers += 1
            if answer.will_close:
                return


def has_ended(pid: int) -> bool:
    """Whether a process that is not our child is gone, or waits for nothing but its parent's attention."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


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
    ("command", "how", "workers"),
    [(BENTOML, signal.SIGTERM, 1), (OURS, signal.SIGTERM, 1), (OURS, signal.SIGINT, 2)],
    ids=["bentoml", "service", "service, Ctrl-C, two workers"],
)
def test_no_answer_is_lost_when_the_end_comes_under_load(
    launch: StartServer, command: tuple[str, ...], how: signal.Signals, workers: int
) -> None:
    """Busy keep-alive clients are told to close and never cut off; the process ends with 0."""
    server = launch(command, lame_duck_s=LAME_DUCK_S, workers=workers)
    with Load(server.port) as load:
        status = server.stop(how)
    assert load.lost == []
    assert status == 0, server.log_text()


def test_first_it_says_not_ready_then_it_closes(launch: StartServer) -> None:
    """In the lame duck an idle connection stays open, /readyz says 503, and other requests are answered."""
    server = launch(lame_duck_s=60)
    idle = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(2)]
    for connection in idle:
        connection.request("GET", "/livez")
        connection.getresponse().read()
    os.kill(server.workers()[0], signal.SIGTERM)
    wait_for(lambda: "draining" in server.log_text())
    idle[0].request("GET", "/readyz")
    ready = idle[0].getresponse()
    idle[1].request("GET", "/livez")
    live = idle[1].getresponse()
    assert (ready.status, ready.will_close) == (503, True)
    assert (live.status, live.will_close) == (200, True)
    for connection in idle:
        connection.close()


def test_an_idle_connection_is_closed_after_the_time_that_is_set(launch: StartServer) -> None:
    """A client that says nothing more is told so by the end of its connection, long before the default of 75 s."""
    server = launch(keep_alive_s=1, **QUIET)
    connection = server.connect()
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
    answer = b""
    while part := connection.recv(1000):  # ends at the connection's end; a timeout of 10 s would raise
        answer += part
    connection.close()
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_what_waits_in_the_backlog_is_answered(launch: StartServer) -> None:
    """Connections that the kernel has accepted and the worker has not are answered before it ends."""
    server = launch(**QUIET)
    (worker,) = server.workers()
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


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server as in a container, where BentoML's own supervisor would leave a dead worker dead; it ends with 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_CONTAINERIZED", "true")
        server = start_server(tmp_path_factory.mktemp("contained"), OURS, lame_duck_s=LAME_DUCK_S)
    yield server
    assert server.stop() == 0


def test_a_killed_worker_is_replaced_also_in_a_container(contained: Server) -> None:
    """SIGKILL costs what the worker had in hand; the listening socket stays open, and a new worker answers."""
    (first,) = contained.workers()
    os.kill(first, signal.SIGKILL)
    assert answers(contained)
    assert contained.workers() != [first]
    assert "ended with status -9" in contained.log_text()


def test_sighup_replaces_the_worker_without_losing_a_request(contained: Server) -> None:
    """The old worker drains when the new one is ready, and no sooner."""
    (first,) = contained.workers()
    said_before = len(contained.log_text())
    with Load(contained.port, pause_s=0.02) as load:  # leaves a core for the worker that starts
        contained.process.send_signal(signal.SIGHUP)
        wait_for(lambda: first not in contained.workers())
    assert load.lost == []
    assert len(contained.workers()) == 1
    said = contained.log_text()[said_before:]
    assert said.index("serving digits") < said.index("draining")


def test_three_sighups_in_a_row_leave_as_many_workers_as_there_were(contained: Server) -> None:
    """Those that come while the successor starts are one more replacement, and not one each."""
    (first,) = contained.workers()
    for _ in range(3):
        contained.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    said = "draining, no longer ready"
    before = contained.log_text().count(said)
    wait_for(lambda: contained.log_text().count(said) >= before + 2 and len(contained.workers()) == 1)
    assert first not in contained.workers()
    assert answers(contained)


def test_a_worker_that_hangs_after_sighup_is_ended(launch: StartServer) -> None:
    """When the time is over that its settings allow its requests, and its own end."""
    server = launch(lame_duck_s=0, timeout_s=0.1, body_s=0.1)
    (first,) = server.workers()
    os.kill(first, signal.SIGSTOP)
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: first not in server.workers())
    assert "worker 1 hangs and is killed" in server.log_text()
    assert answers(server)


@pytest.mark.parametrize("has_read", [True, False], ids=["ready", "before it knows that the worker is"])
def test_no_worker_outlives_its_supervisor(launch: StartServer, has_read: bool) -> None:
    """A supervisor that is killed leaves no server behind on the port."""
    server = launch(wait=False, **QUIET)
    wait_for(lambda: len(server.workers()) == 1)
    (worker,) = server.workers()
    if has_read:
        wait_for(lambda: "listening on" in server.log_text())
    else:
        server.process.send_signal(signal.SIGSTOP)
    wait_ready(server)
    server.process.kill()
    server.process.wait()
    wait_for(lambda: has_ended(worker))
    assert "Traceback" not in server.log_text()


def test_what_cannot_start_says_why_in_one_line(
    launch: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting, model or provider ends the start with status 1 and an error that names it, and no traceback."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    version = load_artifact(SHIPPED_MODEL).folder
    no_graph = Path(shutil.copytree(version, tmp_path / "1"))
    (no_graph / "model.onnx").write_bytes(b"no graph")
    manifest = json.loads((no_graph / "manifest.json").read_text())
    manifest["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    (no_graph / "manifest.json").write_text(json.dumps(manifest))
    causes: list[tuple[tuple[str, ...], dict[str, object], str]] = [
        (OURS, {"model": "/nowhere"}, "cannot open the model folder /nowhere"),
        (OURS, {"model": no_graph}, "ONNX Runtime cannot open"),
        (OURS, {"model": version, "repository_api": "true", "api_key": "a"}, "expected a model's folder"),
        (OURS, {"timeout_s": "soon"}, "DIGITS_TIMEOUT_S='soon'"),
        (OURS, {"provider": "cuda"}, "provider 'cuda'"),
    ]
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():  # otherwise only a worker finds no GPU
        causes.append((BENTOML, {"provider": "cuda"}, "provider 'cuda'"))
    started = [(launch(command, wait=False, **settings), said) for command, settings, said in causes]
    for server, said in started:
        assert server.process.wait(START_LIMIT_S) == 1
        why, *others = server.log_text().splitlines()
        assert re.match(rf"error: .*{re.escape(said)}", why), why
        assert others in ([], ["error: the first worker ended with status 1 before it was ready; see the line above"])


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
    first = launch(**QUIET)
    for _ in range(3):
        assert answers(first)
    launch(**QUIET)
    connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert re.search(r'digits_request_seconds_count\{route="/livez",status="200"\} 3\.0', text), text
