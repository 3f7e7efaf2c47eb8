"""The little of HTTP that the routes need, straight on ASGI: a request with a bounded body, and a reply."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from service.errors import Overloaded, PayloadTooLarge, RequestError, ServiceError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"


class Disconnected(Exception):
    """The client went away before its body was complete; there is nobody to answer."""


class Reply(NamedTuple):
    """An answer that is complete in memory."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


class Request:
    """One HTTP request; header names are lower case, values latin-1 bytes as they came."""

    __slots__ = ("_max_body", "_receive", "headers", "method", "path", "query")

    def __init__(self, scope: Scope, receive: Receive, max_body_bytes: int) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self._max_body = max_body_bytes

    @property
    def content_type(self) -> str:
        """The Content-Type header with its parameters, or an empty string."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    async def body(self) -> bytes:
        """Read the whole body.

        Raises:
            PayloadTooLarge: it is declared, or turns out, to be larger than the limit; the rest is not read.
            RequestError: Content-Length is not a number.
            Disconnected: the client went away.
        """
        declared = self.headers.get(b"content-length", b"0")
        if not declared.isdigit():
            raise RequestError(f"Content-Length is {declared[:20]!r}, expected a whole number of bytes")
        if int(declared) > self._max_body:
            raise self._too_large(int(declared))
        chunks, size, more = list[bytes](), 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._max_body:
                raise self._too_large(size)
            more = message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self, size: int) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body has {size} bytes or more, the limit is {self._max_body} bytes; "
            "send a smaller picture, or raise DIGITS_MAX_BODY_MIB"
        )


def json_reply(content: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """Write any JSON value compactly."""
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), JSON, headers)


def error_reply(error: ServiceError, *, v2: bool = False) -> Reply:
    """Turn an error into its answer: `{"error": {code, message}}`, or V2's `{"error": message}`."""
    headers: tuple[Header, ...] = ()
    if isinstance(error, Overloaded):
        headers = ((b"retry-after", b"%d" % error.retry_after_s),)
    elif error.status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    elif error.status == 413:
        headers = ((b"connection", b"close"),)  # the rest of the body is not wanted
    content = {"error": str(error)} if v2 else {"error": {"code": error.code, "message": str(error)}}
    return json_reply(content, error.status, headers)


async def send_reply(send: Send, reply: Reply, extra: tuple[Header, ...] = (), *, head: bool = False) -> None:
    """Send status, headers and body as two ASGI messages."""
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type),
                (b"content-length", b"%d" % len(reply.body)),
                *reply.headers,
                *extra,
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
