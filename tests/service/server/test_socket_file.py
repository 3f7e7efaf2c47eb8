"""`--uds`: a Unix socket in the place of a port, which no server takes from another, and which none leaves behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from serving import OURS, ROOT, START_LIMIT_S, Server, wait_for

from service.server.listening import SocketFile, bind_file
from service.server.supervisor import StartError

if TYPE_CHECKING:
    from serving import StartServer

WORKERS = [1, 2]
CLIENTS = 8


def client(path: Path) -> httpx.Client:
    """A client that connects to the file."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://digits", timeout=30)


def is_ready(path: Path) -> bool:
    """Ask the image's health check."""
    command = [sys.executable, "-I", "-S", ROOT / "deploy" / "ready.py"]
    return subprocess.run(command, env={"DIGITS_UDS": str(path)}, check=False).returncode == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short name: a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="d") as name:
        yield Path(name)


def start(launch: StartServer, path: Path, **settings: object) -> Server:
    """Start a server on the file, and wait until it is ready."""
    server = launch((*OURS[:3], "--uds", str(path)), wait=False, **settings)
    wait_for(lambda: server.process.poll() is not None or is_ready(path))
    assert server.process.poll() is None, server.log_text()
    return server


@pytest.mark.parametrize("workers", WORKERS)
def test_it_answers_on_the_file_and_removes_it_at_its_end(launch: StartServer, folder: Path, workers: int) -> None:
    """Owner and group may connect, the log says where, the port stays closed, and the status is 0."""
    path = folder / "s"
    server = start(launch, path, workers=workers, lame_duck_s=0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    wait_for(lambda: f"listening on http+unix://{path}, which owner and group may write to" in server.log_text())
    with client(path) as one:
        assert one.get("/v1/models").json() == {"models": ["digits"]}
    assert server.stop() == 0, server.log_text()
    assert not path.exists()


@pytest.mark.parametrize("workers", WORKERS)
def test_no_request_is_lost_when_it_ends(launch: StartServer, folder: Path, workers: int) -> None:
    """Connections that were made are answered; when nobody answers any more, the file is gone."""
    path = folder / "s"
    server = start(launch, path, workers=workers, lame_duck_s=1)
    lost: list[str] = []
    answered = [0] * CLIENTS

    def ask(number: int) -> None:
        while True:
            with socket.socket(socket.AF_UNIX) as one:
                try:
                    one.connect(str(path))
                except OSError:
                    return  # no file: a proxy would take another server
                try:
                    one.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    assert one.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
                except (OSError, AssertionError) as error:
                    lost.append(repr(error))
                    return
            answered[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    wait_for(lambda: min(answered) > 5 or bool(lost))
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert not lost
    assert not path.exists()
    assert server.stop() == 0


def test_the_file_of_a_killed_server_is_replaced(launch: StartServer, folder: Path) -> None:
    """Nobody listens on it, so it stands in nobody's way."""
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    before = SocketFile.of(str(path))
    start(launch, path, lame_duck_s=0)
    assert SocketFile.of(str(path)) != before


def test_a_server_that_listens_keeps_its_file(launch: StartServer, folder: Path) -> None:
    """A second one says so in a line and ends with 1; the first goes on."""
    path = folder / "s"
    start(launch, path, lame_duck_s=0)
    command = [*OURS[:3], "--uds", str(path)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_LIMIT_S, check=False)
    assert second.returncode == 1
    assert second.stderr.splitlines() == [
        f"error: cannot listen on {path}: a server listens there; end it, or choose another with --uds"
    ]
    assert is_ready(path)


@pytest.mark.parametrize("kind", ["file", "folder", "no folder", "long"])
def test_what_is_no_socket_is_left_alone(folder: Path, kind: str) -> None:
    """An ordinary file is never removed; what cannot be made is said in a line."""
    path = folder / "s"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path = folder / ("x/s" if kind == "no folder" else "s" * 120)
    with pytest.raises(StartError, match=r"cannot listen on .*; choose another with --uds"):
        bind_file(str(path))
    if kind == "file":
        assert path.read_text() == "mine"


def test_of_servers_that_start_at_once_one_gets_the_file(folder: Path) -> None:
    """A file that was left is replaced once: the others find whoever was first."""
    path = folder / "s"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        got: list[socket.socket] = []
        refused: list[StartError] = []
        gate = threading.Barrier(CLIENTS)

        def take(gate: threading.Barrier, got: list[socket.socket], refused: list[StartError]) -> None:
            gate.wait()
            try:
                got.append(bind_file(str(path))[0])
            except StartError as error:
                refused.append(error)

        threads = [threading.Thread(target=take, args=(gate, got, refused)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        assert len(refused) == CLIENTS - 1
        got[0].close()
        os.unlink(path)  # noqa: PTH108


def test_a_successors_file_is_not_removed(folder: Path) -> None:
    """Each server knows its own file by more than its name."""
    path = str(folder / "s")
    listener, mine = bind_file(path)
    assert SocketFile.read(mine.write()) == mine
    listener.close()
    successor, its = bind_file(path)
    mine.remove()
    assert SocketFile.of(path) == its
    its.remove()
    its.remove()
    assert not Path(path).exists()
    successor.close()
