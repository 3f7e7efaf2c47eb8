"""A listening socket that is about to be closed: nobody whom the kernel has accepted is lost."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from service.server.backlog import accept_all, drop_new


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def connecting(listener: socket.socket) -> socket.socket:
    """Begin to connect, without waiting for the answer."""
    client = socket.socket()
    client.setblocking(False)  # noqa: FBT003
    client.connect_ex(listener.getsockname())
    return client


def test_everyone_who_waits_is_accepted(listener: socket.socket) -> None:
    """All at once, and without waiting for one more."""
    clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
    accepted = accept_all(listener)
    assert [one.getpeername() for one in accepted] == [one.getsockname() for one in clients]
    for one in clients + accepted:
        one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="socket filters are Linux's")
def test_who_comes_later_is_held_off_and_who_is_there_is_served(listener: socket.socket) -> None:
    """A new connection gets no answer at all, so that it is not reset; those before it are as they were."""
    with socket.create_connection(listener.getsockname()) as early:
        drop_new(listener)
        with closing(connecting(listener)) as late:
            (accepted,) = accept_all(listener)
            with accepted:
                early.sendall(b"asked")
                assert accepted.recv(10) == b"asked"
                accepted.sendall(b"answered")
                assert early.recv(10) == b"answered"
            assert select.select([], [late], [], 0) == ([], [], [])
