"""What the supervisor tells its workers."""

from __future__ import annotations

import signal
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from service.server.supervisor import Options, Supervisor, Worker
from service.server.worker import _has_gone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_knows_that_nobody_will_listen_after_it(number: int) -> None:
    """Before it hears the signal: only then it may hold off new connections and shut the shared socket down."""
    seen: list[tuple[int, bool]] = []
    ours, theirs = socket.socketpair()
    process: Any = SimpleNamespace(send_signal=lambda told: seen.append((told, _has_gone(theirs))))
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        supervisor = Supervisor(Options("127.0.0.1", 0, 1), listener)
        with supervisor._wake_read, supervisor._wake_write:
            supervisor._workers.append(Worker(1, process, ours))
            assert not _has_gone(theirs)
            supervisor._on_signal(number)
            supervisor._on_signal(signal.SIGTERM)  # a second one changes nothing
            assert seen == [(signal.SIGTERM, True)]
