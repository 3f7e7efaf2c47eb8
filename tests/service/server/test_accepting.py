"""Many clients that connect at once: none waits for a turn of the event loop of its own."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from contextlib import suppress

import pytest
import uvloop
from test_drain import unstarted_server

import service.server.accepting
from service.server.accepting import AT_ONCE, Accepting

CLIENTS = 5 * AT_ONCE
LIMIT_S = 30


def listen() -> socket.socket:
    """Listen on a free port, with room for all clients."""
    return socket.create_server(("127.0.0.1", 0), backlog=2 * CLIENTS)


@pytest.mark.parametrize("turn_s", [1.0, 0.0], ids=["long turns", "short turns"])
def test_more_than_one_is_accepted_in_a_long_turn(monkeypatch: pytest.MonkeyPatch, turn_s: float) -> None:
    """Or the last of them would wait for all others; in short turns they are left to other workers."""
    monkeypatch.setattr(service.server.accepting, "perf_counter", itertools.count(step=turn_s).__next__)

    async def scenario() -> int:
        server, listener = unstarted_server(), listen()
        accepting = Accepting(server)
        accepting.install()
        clients = [socket.create_connection(listener.getsockname()) for _ in range(CLIENTS)]
        loop, connections, turns = asyncio.get_running_loop(), server.server_state.connections, 0

        def protocol() -> asyncio.Protocol:
            return server.config.http_protocol_class(  # type: ignore[call-arg]
                config=server.config, server_state=server.server_state, app_state={}, _loop=loop
            )

        server.servers = [await loop.create_server(protocol, sock=listener)]
        async with asyncio.timeout(LIMIT_S):
            while len(connections) < CLIENTS:
                turns += 1
                await asyncio.sleep(0)
        for one in accepting.give_up():
            one.close()
        for one in clients:
            one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(LIMIT_S):
            while connections:  # noqa: ASYNC110 - until each has been answered
                await asyncio.sleep(0)
        assert [one.recv(15) for one in clients] == [b"HTTP/1.1 200 OK"] * CLIENTS
        for one in clients:
            one.close()
        server.servers[0].close()
        return turns

    assert (uvloop.run(scenario()) < CLIENTS / 2) == (turn_s > 0)


def test_who_speaks_no_tls_is_dropped_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """Its connection is closed, and no traceback is left behind."""

    async def scenario() -> None:
        server, listener = unstarted_server(), listen()
        server.config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with listener, socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(LIMIT_S):
                await Accepting(server).serve(listener.accept()[0])
            client.setblocking(False)  # noqa: FBT003
            async with asyncio.timeout(LIMIT_S):
                with suppress(ConnectionError):
                    while await asyncio.get_running_loop().sock_recv(client, 100):
                        pass
        assert not server.server_state.connections

    uvloop.run(scenario())
    assert caplog.text == ""
