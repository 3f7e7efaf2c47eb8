"""Request with a bounded body, and reply, directly on ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson
from typing_extensions import TypedDict

from service.errors import (
    MethodNotAllowed,
    Overloaded,
    PayloadTooLarge,
    RequestError,
    ServiceError,
    TooManyRequests,
    UnsupportedEncoding,
)
from service.gateway.coding import inflater

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
WITHOUT_CONTENT: Final = (204, 304)
CLOSE: Header = (b"connection", b"close")
# A refused body is read on for so long that its sender comes to read the answer: closing a socket with unread data
# in it sends a reset, and the reset takes the answer away.
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 64 * 2**20


class Disconnected(Exception):
    """The client disconnected before its answer."""


class Reply(NamedTuple):
    """An answer that is complete in memory."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()


class ErrorDetail(TypedDict):
    """A code for programs, and a sentence for people."""

    code: str
    message: str


class ErrorAnswer(TypedDict):
    """What went wrong."""

    error: ErrorDetail


class PlainErrorAnswer(TypedDict):
    """What went wrong, on a route of KServe's protocols."""

    error: str


class BodyLimits:
    """The largest body, and the total of all bodies that one process holds, in bytes."""

    __slots__ = ("held", "one", "together")

    def __init__(self, one: int, together: int) -> None:
        self.one = one
        self.together = max(one, together)
        self.held = 0

    def take(self, size: int) -> None:
        """Count so many bytes more, or fewer, as held.

        Raises:
            Overloaded: all together would be more than the process may hold.
        """
        if size > 0 and self.held + size > self.together:
            raise Overloaded(
                f"the bodies of other requests fill the {self.together >> 20} MiB that the server has for them; "
                "try again soon"
            )
        self.held += size


class Request:
    """One HTTP request; header names are lower case, values latin-1 bytes as they came.

    Attributes:
        complete: the body has been read to its end.
        id: under which it is answered and logged; printable ASCII.
        tail: the last part of a path whose route ends with a part of the request's own, such as `/feedback/{id}`.
        reading: a handler is reading the body now.
        when_read: called once when the whole body is there, if it is set by then.
    """

    __slots__ = (
        "_held",
        "_limits",
        "_receive",
        "_received",
        "complete",
        "headers",
        "id",
        "method",
        "path",
        "reading",
        "scope",
        "tail",
        "when_read",
    )

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.complete = False
        self.id = b""
        self.tail = ""
        self.reading = False
        self.when_read: Callable[[], None] | None = None
        self._receive = receive
        self._limits = limits
        self._held = 0
        self._received = 0

    @property
    def content_type(self) -> str:
        """The Content-Type header with its parameters, or an empty string."""
        return self.headers.get(b"content-type", b"").decode("latin-1")

    @property
    def client(self) -> str:
        """The address that the connection came from; a proxy's, where there is one that uvicorn does not trust."""
        return str((self.scope.get("client") or ("",))[0])

    @property
    def received(self) -> int:
        """How many bytes of the body have arrived so far, as they were sent."""
        return self._received

    @property
    def has_unread_body(self) -> bool:
        """Whether more of a body is announced than was read."""
        if self.complete:
            return False
        return b"transfer-encoding" in self.headers or self.headers.get(b"content-length", b"0") != b"0"

    async def body(self) -> bytes:
        """Read the complete body, and decompress it while it arrives.

        Raises:
            PayloadTooLarge: it is declared, or turns out, to be larger than the limit, as sent or without its encoding;
                the rest is not read.
            Overloaded: all bodies together would be larger than the process may hold.
            UnsupportedEncoding: it is not gzip or deflate.
            RequestError: Content-Length is not a number, or the body is damaged.
            Disconnected: the client went away.
        """
        declared = self.headers.get(b"content-length", b"0")
        if not declared.isdigit():
            raise RequestError(
                f"Content-Length is {declared[:20].decode('latin-1')!r}, expected a whole number of bytes"
            )
        if len(declared) > 15 or int(declared) > self._limits.one:
            raise self._too_large(declared[:20].decode())
        encoding = self.headers.get(b"content-encoding")
        coding = inflater(encoding) if encoding else None
        chunks, size, more = list[bytes](), 0, True
        self.reading = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            data = message.get("body", b"")
            self._received += len(data)
            if coding is None:
                chunks.append(data)
                size += len(data)
                self._hold(size)
            else:
                if self._received > self._limits.one:
                    raise self._too_large(str(self._received))
                for piece in coding.pieces(data):
                    size += len(piece)
                    self._hold(size)
                    chunks.append(piece)
                    await asyncio.sleep(0)  # other requests get their turn: a piece takes about a millisecond
            more = message.get("more_body", False)
        if coding is not None:
            coding.end()
        self.reading = False
        self.complete = True
        if self.when_read is not None:
            self.when_read()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def disconnected(self) -> None:
        """Return when the client has disconnected; only after the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            self.complete = True

    async def discard_rest(self) -> None:
        """Read and discard the rest of a refused body, within limits."""
        discarded, more = 0, True
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while more and discarded < LINGER_BYTES:
                    message = await self._receive()
                    more = message.get("more_body", False)
                    discarded += len(message.get("body", b""))

    def release(self) -> None:
        """Release the memory that was counted for the body."""
        self._limits.held -= self._held
        self._held = 0

    def _hold(self, size: int) -> None:
        limits = self._limits
        if size > limits.one:
            raise self._too_large(str(size))
        limits.take(size - self._held)
        self._held = size

    def _too_large(self, size: str) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body has {size} bytes or more, the limit is {self._limits.one} bytes; "
            "send a smaller picture, or raise DIGITS_MAX_BODY_MIB"
        )


def json_reply(content: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Reply:
    """Write any JSON value compactly; contiguous NumPy arrays of numbers are taken as they are."""
    return Reply(status, orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), JSON, headers)


def error_content(error: ServiceError) -> ErrorAnswer:
    """Return an error as our routes write it, alone or in its place in a list."""
    return {"error": {"code": error.code, "message": str(error)}}


def error_reply(error: ServiceError, *, plain: bool = False) -> Reply:
    """Turn an error into its answer: `{"error": {code, message}}`, or KServe's `{"error": message}`."""
    headers: tuple[Header, ...] = ()
    if isinstance(error, Overloaded | TooManyRequests):
        headers = ((b"retry-after", b"%d" % error.retry_after_s),)
    elif isinstance(error, MethodNotAllowed):
        headers = ((b"allow", error.allowed.encode()),)
    elif isinstance(error, UnsupportedEncoding):
        headers = ((b"accept-encoding", b"gzip, deflate"),)
    elif error.status == 401:
        headers = ((b"www-authenticate", b"Bearer"),)
    content: ErrorAnswer | PlainErrorAnswer = {"error": str(error)} if plain else error_content(error)
    return json_reply(content, error.status, headers)


async def send_reply(
    send: Send, reply: Reply, extra: tuple[Header, ...] = (), *, head: bool = False, request: Request | None = None
) -> None:
    """Send status, headers and body; with `request`, read its body to the end before the connection is closed."""
    headers = [*reply.headers, *extra]
    if reply.status not in WITHOUT_CONTENT:
        headers += [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if head else reply.body
    if request is not None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await request.discard_rest()
        body = b""
    await send({"type": "http.response.body", "body": body})
