"""Accepts connections as fast as they come: uvloop alone accepts one in each turn of its loop."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from service.server.backlog import accept_all
from service.server.connection import GuardedConnection

if TYPE_CHECKING:
    import uvicorn

EACH_S: Final = 0.0003  # of a turn allows one more connection: an idle worker leaves them to the others …
AT_ONCE: Final = 16  # … and a busy one takes no more than so many
HANDSHAKE_S: Final = 1.0  # of TLS, for connections that were accepted just before the end


class Accepting:
    """Accepts what waits at a server's listening sockets, in a long turn of the event loop more than one.

    libuv, under uvloop, accepts one connection in a turn since its version 1.45. A turn in which a hundred requests
    are answered takes 25 ms: of 300 clients that connected at once, the last waited for three seconds. To take all at
    once would be wrong too: the first of several workers would have all the connections of a burst.

    Args:
        server: whose listening sockets these are.
    """

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        self._listeners: list[socket.socket] = []
        self._is_over = False
        self._opening: set[asyncio.Task[None]] = set()

    def install(self) -> None:
        """Make the server's connections GuardedConnections, each of which tells that it was made."""
        # uvicorn makes each connection by what its configuration says at that moment.
        made: Any = partial(GuardedConnection, on_made=self._made)
        self._server.config.http_protocol_class = made

    def give_up(self) -> list[socket.socket]:
        """Accept no more from now on, and return the listening sockets, duplicated: the caller closes them."""
        self._is_over = True
        return self._open_listeners()

    async def settle(self) -> None:
        """Return when all that was accepted is among the server's connections, or has not ended its TLS handshake."""
        if self._opening:
            await asyncio.wait(self._opening, timeout=HANDSHAKE_S)

    async def serve(self, accepted: socket.socket) -> None:
        """Make an accepted socket one of the server's connections, unless it has left or speaks no TLS."""
        with suppress(OSError):
            await self._loop.connect_accepted_socket(self._protocol, accepted, ssl=self._server.config.ssl)

    def _protocol(self) -> GuardedConnection:
        server = self._server
        return GuardedConnection(
            server.config, server.server_state, server.lifespan.state, self._loop, on_made=self._made
        )

    def _made(self) -> None:
        if not self._is_due and not self._is_over:
            self._is_due = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._loop.call_soon(self._accept, perf_counter())  # in the next turn

    def _accept(self, began: float) -> None:
        self._is_due = False
        count = min(AT_ONCE, int((perf_counter() - began) / EACH_S))
        if self._is_over or not count:
            return
        for listener in self._open_listeners():
            for accepted in accept_all(listener, count):
                opening = self._loop.create_task(self.serve(accepted))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)

    def _open_listeners(self) -> list[socket.socket]:
        if not self._listeners:  # the server may have none yet
            numbers = [each.fileno() for one in self._server.servers for each in one.sockets or ()]
            self._listeners = [socket.socket(fileno=os.dup(number)) for number in numbers]
        return self._listeners
