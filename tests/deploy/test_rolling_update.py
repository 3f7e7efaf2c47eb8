"""Two instances behind haproxy, replaced one after the other under load: nobody's request fails."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from serving import ROOT, STOP_LIMIT_S, Server, StartServer, free_port, kill_group, wait_for, wait_ready

CLIENTS = 4
LIMIT_S = 60
PAUSE_S = 0.02  # while an instance starts, which needs a core
IMAGE = np.zeros((28, 28), np.uint8).tobytes()
HEADER = (
    b'{"inputs":[{"name":"images","datatype":"UINT8","shape":[1,28,28],"parameters":{"binary_data_size":784}}],'
    b'"outputs":[{"name":"digit"}]}'
)
KIND = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(HEADER))}


def instance(launch: StartServer, port: int) -> Server:
    """Start one instance at a port that stays the same when it is replaced."""
    started = launch((sys.executable, "-m", "service", "--port", str(port)), wait=False)
    return Server(started.process, port, started.log)


class Clients:
    """Threads that ask for predictions without a pause (unless `pause_s` is set), and count the outcomes."""

    def __init__(self, port: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.pause_s = 0.0
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(bool(n % 2),)) for n in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, more: int) -> None:
        """Return when so many further requests have had an outcome."""
        wanted = self.outcomes.total() + more
        wait_for(lambda: self.outcomes.total() >= wanted)

    def stop(self) -> None:
        """End all threads."""
        self._over.set()
        for thread in self._threads:
            thread.join(LIMIT_S)

    def _ask(self, keep_alive: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._over.wait(self.pause_s):
            try:
                connection.request("POST", "/v2/models/digits/infer", HEADER + IMAGE, KIND)
                answer = connection.getresponse()
                answer.read()
                self.outcomes[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                connection.close()
            if not keep_alive:
                connection.close()
        connection.close()


@pytest.fixture
def front() -> Iterator[tuple[int, int, int]]:
    """Run haproxy with the configuration that is shipped; gives its port and those of the two instances."""
    if shutil.which("haproxy") is None:
        pytest.skip("haproxy is not installed")
    front, one, other = free_port(), free_port(), free_port()
    addresses = {"DIGITS_FRONT": front, "DIGITS_A": one, "DIGITS_B": other}
    environment = {**os.environ, **{name: f"127.0.0.1:{port}" for name, port in addresses.items()}}
    config = str(ROOT / "deploy" / "haproxy" / "haproxy.cfg")
    process = subprocess.Popen(["haproxy", "-db", "-f", config], env=environment, start_new_session=True)
    yield front, one, other
    kill_group(process)


def test_replacing_every_instance_costs_no_request(front: tuple[int, int, int], launch: StartServer) -> None:
    """SIGTERM to one, wait until it has left, start its successor, then the other: all get 200."""
    port, *ports = front
    servers = [instance(launch, one) for one in ports]
    for server in [*servers, Server(servers[0].process, port, Path(os.devnull))]:
        wait_ready(server)
    clients = Clients(port)
    try:
        clients.wait_for(200)
        for server, own_port in zip(servers, ports, strict=True):
            server.process.terminate()
            assert server.process.wait(STOP_LIMIT_S) == 0
            clients.wait_for(100)
            clients.pause_s = PAUSE_S
            wait_ready(instance(launch, own_port))
            clients.pause_s = 0
            clients.wait_for(200)
    finally:
        clients.stop()
    assert set(clients.outcomes) == {"200"}, clients.outcomes
    assert httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").json() == {"ready": True}
