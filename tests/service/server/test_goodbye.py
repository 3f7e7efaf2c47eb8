"""How the relay in front of gRPC sends clients away: none is cut off before it knows that it is to go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.server import http2_relay
from service.server.http2_relay import GOAWAY, PING, PING_ACK, Relay

LIMIT_S = 60
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # an empty one: what an HTTP/2 server says first
FAR_S = 1000.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence be told after three looks, a millisecond apart."""
    monkeypatch.setattr(http2_relay, "QUIET_STEPS", 3)
    monkeypatch.setattr(http2_relay, "STEP_S", 0.001)


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Relay, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A relay before a server that says SETTINGS and then nothing; and a client that has read that."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SETTINGS)
        while await reader.read(100):
            pass
        writer.close()
        await writer.wait_closed()
        over.set()

    relay = Relay()
    backend = socket.socket(socket.AF_UNIX)
    backend.bind(relay.path)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with asyncio.timeout(LIMIT_S), await asyncio.start_unix_server(serve, sock=backend):
        await relay.open(listener, 16)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(len(SETTINGS)) == SETTINGS
        yield relay, reader, writer
        writer.close()
        await over.wait()
        await writer.wait_closed()
        while relay.clients:  # noqa: ASYNC110 - they have no event
            await asyncio.sleep(0)
        relay.close()


def test_a_client_that_does_not_know_yet_is_waited_for() -> None:
    """However long it is silent; once it has acknowledged, silence ends the waiting, and what it said was handed on."""

    async def scenario() -> None:
        async with relayed() as (relay, reader, writer):
            away = asyncio.create_task(relay.send_away(FAR_S))
            goodbye = await reader.readexactly(len(GOAWAY + PING) + 8)
            assert goodbye.startswith(GOAWAY + PING)
            await asyncio.sleep(0.1)  # a hundred looks
            assert not away.done()
            acknowledgement = PING_ACK + goodbye[-8:]
            for part in (b"a call that began before" + acknowledgement[:5], acknowledgement[5:]):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            await away
            assert all(client.knows for client in relay.clients)

    asyncio.run(scenario())


def test_the_acknowledgement_of_another_ping_says_nothing() -> None:
    """The client's keep-alive with the server goes on; the waiting has its limit."""

    async def scenario() -> None:
        async with relayed() as (relay, reader, writer):
            away = asyncio.create_task(relay.send_away(0.3))
            await reader.readexactly(len(GOAWAY + PING) + 8)
            writer.write(PING_ACK + bytes(8))
            await away
            assert not any(client.knows for client in relay.clients)

    asyncio.run(scenario())


def test_the_waiting_ends_at_once_when_all_have_gone() -> None:
    """Usually clients leave when they are told, and nothing is waited for."""

    async def scenario() -> None:
        async with relayed() as (relay, reader, writer):
            away = asyncio.create_task(relay.send_away(FAR_S))
            await reader.readexactly(len(GOAWAY + PING) + 8)
            writer.close()
            await away
            assert not relay.clients

    asyncio.run(scenario())
