"""Messages of gRPC calls that arrive slowly hold neither the memory nor the others up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from grpc.aio import EOF

from service.api import grpc_inbox
from service.api import grpc_messages as messages
from service.api.grpc_inbox import Inbox
from service.api.grpc_server import NOT_SERVING, SERVING, WATCH, GrpcServer
from service.errors import Overloaded, RequestError, RequestTimeout
from service.gateway.messages import BodyLimits
from service.settings import Settings


class Arriving:
    """A call whose message arrives when `there` is set; without an event at once."""

    def __init__(self, message: Any, there: asyncio.Event | None = None) -> None:
        self._message = message
        self._there = there

    async def read(self) -> Any:
        """Wait, and return the message."""
        if self._there is not None:
            await self._there.wait()
        return self._message


def test_what_is_read_is_held_until_it_is_released() -> None:
    """Together with the bodies of HTTP, and refused where there is no more room."""

    async def read() -> None:
        limits = BodyLimits(10, 20)
        inbox = Inbox(limits, 1)
        assert await inbox.read(Arriving(bytes(10))) == bytes(10)
        limits.take(8)
        with pytest.raises(Overloaded, match="the bodies of other requests fill"):
            await inbox.read(Arriving(bytes(3)))
        assert limits.held == 18
        inbox.release(10)
        assert limits.held == 8

    asyncio.run(read())


def test_no_message_and_a_late_one_are_told_apart() -> None:
    """An end of the stream in place of the message, and a message that does not come in time."""

    async def read() -> None:
        with pytest.raises(RequestError, match="no message, expected one"):
            await Inbox(BodyLimits(1, 1), 1).read(Arriving(EOF))
        with pytest.raises(RequestTimeout, match=r"within 0\.01 s; send less, or raise DIGITS_BODY_S"):
            await Inbox(BodyLimits(1, 1), 0.01).read(Arriving(b"", asyncio.Event()))

    asyncio.run(read())


def test_a_slow_message_makes_room_for_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """All places are taken by messages that never arrive: they are ended one by one, and the next is read."""
    monkeypatch.setattr(grpc_inbox, "PATIENCE_S", 0.01)

    async def read() -> None:
        limits = BodyLimits(10, 40)  # two places
        inbox = Inbox(limits, 60)
        slow = [asyncio.create_task(inbox.read(Arriving(b"", asyncio.Event()))) for _ in range(2)]
        await asyncio.sleep(0)
        assert [await inbox.read(Arriving(b"a")) for _ in range(3)] == [b"a"] * 3
        with pytest.raises(Overloaded, match="others wait for its place"):
            await slow[0]
        assert not slow[1].done()
        slow[1].cancel()
        assert limits.held == 3

    asyncio.run(read())


def test_one_who_leaves_gives_his_place_up() -> None:
    """A call that is cancelled while its message arrives takes no place any more."""

    async def read() -> None:
        inbox = Inbox(BodyLimits(10, 20), 60)
        for _ in range(3):
            leaving = asyncio.create_task(inbox.read(Arriving(b"", asyncio.Event())))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
        assert await inbox.read(Arriving(b"a")) == b"a"

    asyncio.run(read())


class Watcher(Arriving):
    """A call of Watch during whose first answer the server begins to drain."""

    def __init__(self, server: GrpcServer) -> None:
        super().__init__(b"")
        self._server = server
        self.told: list[int] = []
        self.ended = asyncio.Event()

    async def write(self, data: bytes) -> None:
        """Take an answer."""
        self.told.append(messages.HealthCheckResponse.FromString(data).status)
        self._server.drain()
        if len(self.told) == 2:
            self.ended.set()


def test_one_who_watches_is_told_of_a_drain_that_begins_meanwhile() -> None:
    """The client may know its first answer before the server knows that it was sent."""

    async def watch() -> None:
        server = GrpcServer(Settings(), BodyLimits(10, 20))
        call = Watcher(server)
        watching = asyncio.create_task(server.service(SimpleNamespace(method=WATCH)).stream_stream(None, call))
        await asyncio.wait_for(call.ended.wait(), 10)
        watching.cancel()
        assert call.told == [SERVING, NOT_SERVING]

    asyncio.run(watch())
