"""Bodies are bounded, one by one and together, and a refused sender gets to read why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.errors import MethodNotAllowed, Overloaded, PayloadTooLarge, RequestError, Unauthorised
from service.gateway.messages import BodyLimits, Disconnected, Message, Reply, Request, error_reply, send_reply


def request(parts: list[Any], limits: BodyLimits, **headers: str) -> Request:
    """Make a request whose body arrives in these parts, taken out of the list; None is a client hanging up."""

    async def receive() -> Message:
        part = parts.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": raw}
    return Request(scope, receive, limits)


def body(asked: Request) -> bytes:
    """Read it."""
    return asyncio.run(asked.body())


def test_a_body_is_joined_from_its_chunks() -> None:
    """However a body is cut on its way, the handler sees it whole."""
    limits = BodyLimits(100, 1000)
    assert body(request([b"ab", b"", b"cd"], limits)) == b"abcd"


def test_a_declared_size_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    """Content-Length alone is enough to say 413."""
    with pytest.raises(PayloadTooLarge, match="101 bytes or more, the limit is 100 bytes"):
        body(request([], BodyLimits(100, 1000), content_length="101"))


def test_an_undeclared_body_is_refused_at_the_byte_that_is_too_many() -> None:
    """A chunked body is read up to its limit and no further."""
    endless = request([b"x" * 60] * 50, BodyLimits(100, 1000))
    with pytest.raises(PayloadTooLarge):
        body(endless)
    assert endless.has_unread_body is False  # no header announced one; the chunked case has transfer-encoding


def test_bodies_together_are_bounded_and_counted_back() -> None:
    """What all requests hold is limited too, and a request that ends gives its share back."""
    limits = BodyLimits(100, 150)
    first = request([b"x" * 100], limits)
    body(first)
    with pytest.raises(Overloaded, match="try again soon"):
        body(request([b"x" * 60], limits))
    first.release()
    assert body(request([b"x" * 60], limits)) == b"x" * 60
    assert limits.held == 60


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "²", "9" * 5000])
def test_a_content_length_that_is_no_plain_number_is_the_callers_error(length: str) -> None:
    """No spelling of a length reaches int() in a way that raises."""
    with pytest.raises(RequestError):
        body(request([b""], BodyLimits(100, 1000), content_length=length))


def test_a_client_that_leaves_in_the_middle_is_noticed() -> None:
    """A cut-off body is not taken for a whole one."""
    with pytest.raises(Disconnected):
        body(request([b"ab", None], BodyLimits(100, 1000)))


def test_a_refused_body_is_heard_out_after_the_answer_has_left() -> None:
    """The answer goes out first, the rest of the body is read, and only then is the response complete."""
    parts = [b"x" * 200, b"y" * 50]
    asked = request(parts, BodyLimits(100, 1000), content_length="250")
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(send_reply(send, Reply(413, b"too large"), request=asked))
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    assert sent[1]["body"] == b"too large"
    assert parts == []
    assert asked.has_unread_body


def test_every_refusal_says_how_to_go_on() -> None:
    """503 has Retry-After, 401 the scheme that it wants, 405 the methods that there are."""
    assert (b"retry-after", b"1") in error_reply(Overloaded("full")).headers
    assert (b"www-authenticate", b"Bearer") in error_reply(Unauthorised("no key")).headers
    assert (b"allow", b"POST") in error_reply(MethodNotAllowed("no", "POST")).headers
