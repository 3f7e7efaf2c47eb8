"""What the whole suite shares: servers, stopped when nobody needs them any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pillow_heif import register_heif_opener
from serving import BENTOML, OURS, Server, StartServer, kill_group, start_server

WORKERS = 2  # each has a PyTorch and a server of its own

register_heif_opener()  # so that Pillow writes HEIC too
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of a hundred servers would compile the service again


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share folders among two processes, module by module; run single modules in this one."""
    modules = all(Path(argument.split("::")[0]).is_file() for argument in config.args)
    return 0 if modules else min(WORKERS, os.cpu_count() or 1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Share one `bentoml serve service:DigitService` with default settings among all tests that leave it as it is.

    Only its end is quicker: test_stop.py looks at what the lame duck is for.
    """
    server = start_server(tmp_path_factory.mktemp("server"), BENTOML, lame_duck_s=0)
    yield server
    status = server.stop()
    assert status == 0, f"the server ended with {status}:\n{server.log_text()}"


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Share one server with two API keys, k1 and k2, and open metrics."""
    server = start_server(tmp_path_factory.mktemp("locked"), api_key="k1, k2", metrics_open=True)
    yield server
    kill_group(server.process)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers of a test's own: `launch(max_queue=1)`; all are stopped at its end."""
    with ExitStack() as stack:

        def start(command: tuple[str, ...] = OURS, *, wait: bool = True, **settings: object) -> Server:
            server = start_server(tmp_path, command, wait=wait, **settings)
            stack.callback(kill_group, server.process)
            return server

        yield start
