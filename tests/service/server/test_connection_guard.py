"""The guard on a request's head, over real sockets around an application of a test's own."""

from __future__ import annotations

import asyncio

import pytest
from talking import CHUNKED, LIMIT_S, OK, ok, talk, until

import service.server.connection
from service.gateway.messages import Receive, Scope, Send
from service.server.connection import HEAD_BYTES


def test_a_connection_on_which_nothing_comes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and says nothing holds no place for ever."""
    monkeypatch.setattr(service.server.connection, "FIRST_REQUEST_S", 0.01)

    async def scenario() -> None:
        async with talk(ok) as one:
            assert await one.reader.read() == b""

    asyncio.run(scenario())


def test_a_head_that_does_not_end_in_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte now and then keeps no connection open."""
    monkeypatch.setattr(service.server.connection, "HEAD_S", 0.01)

    async def scenario() -> None:
        async with talk(ok) as one:
            one.writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            assert (await one.reader.read()).startswith(b"HTTP/1.1 408 ")

    asyncio.run(scenario())


@pytest.mark.parametrize("leaves", [True, False])
def test_the_limit_on_a_head_ends_with_it(monkeypatch: pytest.MonkeyPatch, *, leaves: bool) -> None:
    """Neither the work on a request nor what comes after a lost connection is disturbed by it."""
    monkeypatch.setattr(service.server.connection, "HEAD_S", 2 * LIMIT_S)

    async def scenario() -> None:
        async with talk(ok) as one:
            one.writer.write(b"GET / HTTP/1.1\r\n")
            await until(lambda: one.connection._head_timer)
            timer = one.connection._head_timer
            assert timer is not None
            if leaves:
                one.writer.close()
                await until(timer.cancelled)
            else:
                one.writer.write(b"Host: a\r\n\r\n")
                assert (await one.reader.readline()).startswith(b"HTTP/1.1 200 ")
                assert timer.cancelled()

    asyncio.run(scenario())


def test_trailers_of_one_request_are_no_head_of_the_next() -> None:
    """A connection that waits for its next request is not one whose head does not end."""

    async def scenario() -> None:
        async with talk(ok) as one:
            one.writer.write(CHUNKED)
            await until(lambda: one.connection.cycle)
            one.writer.write(b"0\r\nX-Sum: 1\r\n\r\n")
            assert (await one.reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 ")
            assert (one.connection._head_bytes, one.connection._head_timer) == (0, None)

    asyncio.run(scenario())


def test_no_refusal_is_written_into_an_answer() -> None:
    """Where the answer has begun, trailers without end only close the connection."""

    async def half(_: Scope, receive: Receive, send: Send) -> None:
        await send(OK)
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def scenario() -> None:
        async with talk(half) as one:
            one.writer.write(CHUNKED)
            await one.reader.readuntil(b"\r\n\r\no")
            one.writer.write(b"0\r\nX-Endless: " + b"a" * 2 * HEAD_BYTES)
            try:
                rest = await one.reader.read()
            except ConnectionResetError:  # closed with unread bytes
                rest = b""
            assert rest == b""

    asyncio.run(scenario())


@pytest.mark.parametrize(("limit_bytes", "limit_s"), [(HEAD_BYTES, LIMIT_S * 2), (2**40, 0.01)], ids=["bytes", "time"])
def test_who_is_refused_is_heard_out_for_so_long_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, limit_bytes: int, limit_s: float
) -> None:
    """A sender without end has the connection closed on him."""
    monkeypatch.setattr(service.server.connection, "LINGER_BYTES", limit_bytes)
    monkeypatch.setattr(service.server.connection, "LINGER_S", limit_s)

    async def send_without_end(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"a" * HEAD_BYTES)
            await writer.drain()

    async def scenario() -> None:
        async with talk(ok) as one:
            with pytest.raises(ConnectionError):
                await send_without_end(one.writer)

    asyncio.run(scenario())


@pytest.mark.parametrize("expects", [False, True])
def test_a_request_whose_body_breaks_off_is_refused_and_its_work_ends(*, expects: bool) -> None:
    """The application learns that nobody waits, and what it still sends does not follow the refusal.

    Nor does the "100 Continue" that is due when it begins to read, were it to begin after the refusal.
    """
    seen: list[str] = []

    async def stubborn(_: Scope, receive: Receive, send: Send) -> None:
        while (kind := (await receive())["type"]) == "http.request":
            pass
        seen.append(kind)
        await send(OK)
        await send({"type": "http.response.body", "body": b"ok"})

    async def scenario() -> bytes:
        async with talk(stubborn) as one:
            if expects:
                head = CHUNKED.partition(b"\r\n\r\n")[0]
                one.connection.data_received(head + b"\r\nExpect: 100-continue\r\n\r\nno length\r\n")
            else:
                one.writer.write(CHUNKED)
                await until(lambda: one.connection.cycle)
                one.writer.write(b"no length\r\n")
            answer = await one.reader.read()
            await until(lambda: seen)
            return answer

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 400 ") == 1
    assert b" 200 " not in answer
    assert seen == ["http.disconnect"]


@pytest.mark.parametrize(
    "refused",
    [b"X" * 2 * HEAD_BYTES, CHUNKED.replace(b"1\r\na", b"20000\r\n" + b"a" * 0x20000) + b"no length\r\n"],
    ids=["head", "body that nobody has read"],
)
def test_what_comes_after_a_refusal_is_read(refused: bytes) -> None:
    """Closed with unread bytes, a socket sends a reset, which may take the refusal away from the sender."""

    async def busy(_: Scope, __: Receive, ___: Send) -> None:
        await asyncio.sleep(LIMIT_S)

    async def scenario() -> None:
        async with talk(busy) as one:
            one.connection.data_received(refused)  # in one piece
            assert (await one.reader.read()).startswith(b"HTTP/1.1 4")
            one.writer.write(b"more")
            await until(lambda: one.connection._discarded)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "after", [b"\0\0\0", CHUNKED.replace(b"1\r\na", b"no length")], ids=["no request", "a broken body"]
)
def test_a_request_in_work_is_not_answered_by_what_is_wrong_with_the_next(after: bytes) -> None:
    """Its sender would take the 400 for the answer."""

    async def busy(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    async def scenario() -> bytes:
        async with talk(busy) as one:
            one.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + after)
            return await one.reader.read()

    assert asyncio.run(scenario()) == b""
