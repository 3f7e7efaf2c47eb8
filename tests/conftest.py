"""What the whole suite shares: servers, stopped when nobody needs them any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving import BENTOML, Server, StartServer, kill_group, start_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Share one `bentoml serve service:DigitService` with default settings among all tests that leave it as it is."""
    server = start_server(tmp_path_factory.mktemp("server"))
    yield server
    status = server.stop()
    assert status == 0, f"the server ended with {status}:\n{server.log_text()}"


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of a test's own: `launch(max_queue=1)`; all are stopped at its end."""
    with ExitStack() as stack:

        def start(command: tuple[str, ...] = BENTOML, *, wait: bool = True, **settings: object) -> Server:
            server = start_server(tmp_path, command, wait=wait, **settings)
            stack.callback(kill_group, server.process)
            return server

        yield start
