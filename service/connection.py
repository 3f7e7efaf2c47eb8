"""One client's connection: uvicorn's HTTP/1.1 protocol, with the limits that it lacks on a request's head."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FIRST_REQUEST_S = 30.0  # a connection on which nothing comes
HEAD_S = 10.0  # a head that has begun and does not end
HEAD_BYTES = 64 * 1024  # request line and headers together
_REFUSAL = b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedConnection(HttpToolsProtocol):
    """Closes a connection that sends no head, too slow a head, or one without end; uvicorn waits and keeps it all."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client a limited time for its first byte."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(FIRST_REQUEST_S, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether a head is still open: neither headers nor a body have come to an end."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes == 0 or self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")
        elif self._head_timer is None and self._is_idle():
            self._head_timer = self.loop.call_later(HEAD_S, self._refuse, b"408 Request Timeout")

    def on_headers_complete(self) -> None:
        """Begin the request, and end the guard on its head."""
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which has limits of its own."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
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

    def _refuse(self, status: bytes) -> None:
        self._end_head()
        if self.transport.is_closing():
            return
        if self._is_idle():
            self.transport.write(_REFUSAL % status)
        self.transport.close()
