"""One client's connection: uvicorn's HTTP/1.1 protocol, with limits on headers and errors that clients can read."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import HeadTooLarge, RequestError, RequestTimeout
from service.gateway.messages import LINGER_BYTES, LINGER_S, error_reply

FIRST_REQUEST_S: Final = 30.0  # a connection on which nothing comes
HEAD_S: Final = 10.0  # a head that has begun and does not end
HEAD_BYTES: Final = 64 * 1024  # request line and headers together


class Parser(httptools.HttpRequestParser):
    """Parses a request with `Connection: Upgrade` as if that header were not there.

    httptools ends such a request with its head, and reads its body as the next request. So the head is read once more
    without its Upgrade header, then the body. RFC 9110, 7.8: a server may ignore the offer.
    """

    def __init__(self, connection: GuardedConnection) -> None:
        super().__init__(connection)
        self._connection = connection

    def feed_data(self, data: bytes | bytearray | memoryview[int] | array[int]) -> None:
        """Call back for what is in the data.

        Raises:
            HttpParserError: it is no request.
        """
        rest = memoryview(data)
        while rest and not self._connection.is_refused:
            try:
                super().feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
                if not self._connection.is_refused:
                    super().feed_data(self._connection.head_without_offer())
            else:
                return


class GuardedConnection(HttpToolsProtocol):
    """Closes a connection whose headers are missing, too slow or too large; uvicorn would wait and keep everything.

    What cannot be read as a request is refused as any other, and its sender is heard out, so that no reset takes the
    refusal away from him. Offers to change the protocol are ignored.

    Args:
        given, named: uvicorn's.
        on_made: called when the connection is made.
    """

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    is_refused = False  # it only waits for its sender to end, which has limits of its own
    _discarded = 0  # bytes that came after the refusal

    def __init__(self, *given: Any, on_made: Callable[[], None] | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._on_made = on_made
        self.parser = Parser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client a limited time for its first byte."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(FIRST_REQUEST_S, self.timeout_keep_alive_handler)
        if self._on_made is not None:
            self._on_made()

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether a head is still open: neither headers nor a body have come to an end."""
        if self.is_refused:
            self._discarded += len(data)
            if self._discarded > LINGER_BYTES:
                self.transport.close()
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes == 0 or self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES:
            self._refuse(
                HeadTooLarge(
                    f"the request's head has more than {HEAD_BYTES} bytes, which is the limit; send fewer headers"
                )
            )
        elif self._head_timer is None and self._is_idle():
            late = RequestTimeout(f"the request's head did not end within {HEAD_S:g} s; send it at once")
            self._head_timer = self.loop.call_later(HEAD_S, self._refuse, late)

    def send_400_response(self, msg: str) -> None:
        """Refuse what uvicorn cannot parse."""
        self._refuse(RequestError(f"{msg} Send HTTP/1.1, and the body by its Content-Length or in chunks, not by both"))

    def head_without_offer(self) -> bytes:
        """Write the headers that were just read again, without Upgrade."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        """Begin the request, and stop the timer of its headers."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._refuse(RequestError("this is no proxy, and takes no CONNECT; ask for a path, such as /predict"))
            return
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; the gateway limits bodies."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        if self.parser.should_upgrade():
            return
        self._head_bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer with the connection."""
        self._end_head()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: RequestError) -> None:
        """Answer with an error, unless an answer has begun; then take no more requests, and close when all is read."""
        self._end_head()
        if self.transport.is_closing() or self.is_refused:
            return
        self.is_refused = True
        if not self._is_idle():
            # Not into an answer, nor ahead of one: what is queued behind the request in work stands in `pipeline`.
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()
        reply = error_reply(error)
        self.transport.write(
            STATUS_LINE[reply.status]
            + b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (reply.content_type, len(reply.body), reply.body)
        )
        if not self.transport.can_write_eof():  # TLS
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._head_timer = self.loop.call_later(LINGER_S, self.transport.close)
