"""The end of a worker, step by step: who is closed, who is heard out, who is still accepted."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn

import service.server.drain
from service.gateway.messages import Message, Receive, Scope, Send
from service.server.drain import Drain, _close_if_idle
from service.settings import Settings

LIMIT_S = 30


class Transport:
    """A connection's transport, over one end of a socket pair."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.closed = False

    def get_extra_info(self, _: str) -> socket.socket:
        """Return the socket."""
        return self._end

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.mark.parametrize(
    ("complete", "arrived", "fresh", "closed"),
    [
        (True, b"", False, True),
        (True, b"GET", False, False),
        (False, b"", False, False),
        (None, b"", True, False),
        (None, b"", False, True),
    ],
    ids=["idle", "its next request has come", "at work", "just made", "made, and silent"],
)
def test_only_a_connection_that_waits_is_closed(
    *, complete: bool | None, arrived: bytes, fresh: bool, closed: bool
) -> None:
    """`complete` is whether the last answer is out; None: there was no request yet."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(arrived)
        cycle = None if complete is None else SimpleNamespace(response_complete=complete, keep_alive=True)
        transport = Transport(ours)
        _close_if_idle(SimpleNamespace(cycle=cycle, transport=transport), fresh=fresh)
        assert transport.closed == closed
        if complete is False:
            assert cycle is not None
            assert not cycle.keep_alive  # closed with its answer


def test_who_is_being_refused_is_left_to_his_own_limit() -> None:
    """A reset would take the refusal away from him."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = Transport(ours)
        _close_if_idle(SimpleNamespace(cycle=None, transport=transport, is_refused=True), fresh=False)
        assert not transport.closed


def draining(*, is_last: bool, lame_duck_s: float = LIMIT_S) -> Drain:
    """Make a drain whose gateway is a stand-in."""
    gateway: Any = SimpleNamespace(
        drain=lambda: None, is_last=lambda: is_last, listeners=(), doors=(), forget_address=lambda: None
    )
    return Drain(gateway, Settings(lame_duck_s=lame_duck_s))


async def ok(_: Scope, __: Receive, send: Send) -> None:
    """Answer anything."""
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"ok"})


def unstarted_server() -> uvicorn.Server:
    """Make a server that answers "ok" and has no port yet."""
    config = uvicorn.Config(ok, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


@pytest.mark.parametrize("is_last", [True, False])
def test_who_waits_in_the_queue_is_served_after_the_listener_is_closed(
    monkeypatch: pytest.MonkeyPatch, *, is_last: bool
) -> None:
    """The kernel has accepted him already, though the loop has not had its turn; only the last worker bars the door."""
    barred: list[socket.socket] = []
    monkeypatch.setattr(service.server.drain, "drop_new", barred.append)

    async def scenario() -> bytes:
        server = unstarted_server()
        loop = asyncio.get_running_loop()
        nobody: Any = None  # the loop's own accepting must not be what serves
        listener = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        server.servers = [await loop.create_server(nobody, sock=listener, start_serving=False)]
        await draining(is_last=is_last)._stop_listening(server)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            line = await reader.readline()
            writer.close()
            while server.server_state.connections:  # noqa: ASYNC110 - until the server has seen it
                await asyncio.sleep(0)
        return line

    assert asyncio.run(scenario()).startswith(b"HTTP/1.1 200 ")
    assert len(barred) == is_last


def test_a_second_ctrl_c_ends_the_waiting() -> None:
    """A second SIGTERM does not: an orchestrator may send several."""

    async def scenario() -> list[int]:
        ended: list[int] = []
        drain = draining(is_last=True)
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            drain._on_signal(number, SimpleNamespace(), lambda one, _: ended.append(one))  # type: ignore[arg-type]
        assert ended == []
        drain._on_signal(signal.SIGINT, SimpleNamespace(), lambda one, _: ended.append(one))  # type: ignore[arg-type]
        assert drain._task is not None
        drain._task.cancel()
        return ended

    assert asyncio.run(scenario()) == [signal.SIGINT]


def test_a_shutdown_that_fails_still_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise it would report that it drains for ever; the log has the cause."""

    class BrokenDoor:
        """A port that cannot be closed."""

        async def close(self, _: float) -> None:
            """Fail."""
            raise OSError("broken")

    async def scenario() -> list[int]:
        ended: list[int] = []
        drain = draining(is_last=True, lame_duck_s=0)
        drain._gateway.doors = [BrokenDoor()]  # type: ignore[list-item]
        server: Any = SimpleNamespace(servers=(), server_state=SimpleNamespace(connections=set()))
        drain._on_signal(signal.SIGTERM, server, lambda one, _: ended.append(one))
        assert drain._task is not None
        await drain._task
        return ended

    assert asyncio.run(scenario()) == [signal.SIGTERM]
    assert "OSError: broken" in caplog.text
