"""Graceful shutdown of a worker: report not ready, keep answering, complete what has begun, then exit."""

from __future__ import annotations

import asyncio
import logging
import select
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from service.gateway.dispatch import Gateway
from service.server.accepting import Accepting
from service.server.backlog import accept_all, drop_new
from service.settings import Settings

logger = logging.getLogger("bentoml.service.drain")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
STEP_S: Final = 0.02
HANDSHAKE_S: Final = 0.1  # for connections whose handshake has begun: several round trips within a data centre
FRESH_S: Final = 1.0  # for the first request of a connection that was made just before the listener was closed
SLACK_S: Final = 2.0  # beyond the time that a request may take
CLOSE_S: Final = 5.0  # for uvicorn's and BentoML's own end


def longest_stop_s(settings: Settings) -> float:
    """The longest time that a shutdown may take, seconds; after that the worker is killed."""
    return settings.lame_duck_s + HANDSHAKE_S + settings.request_s + SLACK_S + CLOSE_S


class Drain:
    """Handles SIGTERM and SIGINT instead of uvicorn, which would close idle connections while a request may arrive.

    On the first signal: `/readyz` says 503 and every answer "Connection: close", and all goes on for `lame_duck_s`, in
    which balancers and clients turn away. Then new connections are held off, what waits in the listen backlog is
    accepted, the listener is closed, idle connections are closed, the others are answered first, and uvicorn ends. A
    second SIGINT ends the waiting.

    Args:
        gateway: told when the draining begins; its listeners, if it has any, are closed. Otherwise the listening
            socket belongs to a master process, and a sole worker shuts it down for that one too.
        settings: lame duck, deadline, and how long idle connections stay open.
    """

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self._gateway = gateway
        self._lame_duck_s = settings.lame_duck_s
        self._keep_alive_s = settings.keep_alive_s
        self._grace_s = settings.request_s + SLACK_S
        self._accepting: Accepting | None = None
        self._task: asyncio.Task[None] | None = None
        self._interrupts = 0

    def install(self) -> None:
        """Install the signal handlers; called at the start of the application, after uvicorn has set its own."""
        handler = signal.getsignal(signal.SIGTERM)
        server = getattr(handler, "__self__", None)
        if not isinstance(server, uvicorn.Server) or not callable(handler):
            logger.warning("not run by uvicorn: the server handles SIGTERM itself and may drop requests")
            return
        self._accepting = Accepting(server)
        self._accepting.install()
        server.config.timeout_keep_alive = self._keep_alive_s
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number, server, handler)

    def _on_signal(self, number: signal.Signals, server: uvicorn.Server, end: Callable[[int, Any], Any]) -> None:
        self._interrupts += number == signal.SIGINT
        if self._task is None:
            logger.info("%s: draining, no longer ready", number.name)
            self._gateway.drain()
            self._task = asyncio.get_running_loop().create_task(self._run(number, server, end))
        elif self._interrupts > 1:
            end(number, None)

    async def _run(self, number: signal.Signals, server: uvicorn.Server, end: Callable[[int, Any], Any]) -> None:
        try:
            await self._complete(server)
        except Exception:  # it must end nevertheless: it reports that it drains, and nobody asks it any more
            logger.exception("the shutdown failed; requests may be lost")
        end(number, None)

    async def _complete(self, server: uvicorn.Server) -> None:
        """Take no more connections, and return when what has begun is complete."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._lame_duck_s)
        closing = [loop.create_task(door.close(self._grace_s)) for door in self._gateway.doors]
        await self._stop_listening(server)
        closed_at = loop.time()
        connections = server.server_state.connections
        while connections and loop.time() - closed_at < self._grace_s:
            for connection in list(connections):
                _close_if_idle(connection, fresh=loop.time() - closed_at < FRESH_S)
            await asyncio.sleep(STEP_S)
        if connections:
            logger.warning("%d connections are still open after %.0f s", len(connections), self._grace_s)
        await asyncio.gather(*closing)

    async def _stop_listening(self, server: uvicorn.Server) -> None:
        """Accept what is in the backlog, without a gap in which one more connection gets in."""
        accepting = self._accepting or Accepting(server)
        doubles = accepting.give_up()
        is_last = self._gateway.is_last()
        if is_last:
            self._gateway.forget_address()
            for double in doubles:
                drop_new(double)
            await asyncio.sleep(HANDSHAKE_S)
        for one in server.servers:
            one.close()
        for listener in self._gateway.listeners:
            listener.close()
        waiting: list[socket.socket] = []
        for double in doubles:
            waiting += accept_all(double)
            if is_last and not self._gateway.listeners:
                double.shutdown(socket.SHUT_RD)
            double.close()
        for accepted in waiting:
            await accepting.serve(accepted)
        await accepting.settle()


def _close_if_idle(connection: Any, *, fresh: bool) -> None:
    """Close an idle connection, unless a request has just arrived or is being refused."""
    if getattr(connection, "is_refused", False):
        return
    cycle = getattr(connection, "cycle", None)
    transport = connection.transport
    if cycle is not None and not cycle.response_complete:
        cycle.keep_alive = False
    elif not (cycle is None and fresh) and not _has_input(transport):
        transport.close()


def _has_input(transport: asyncio.Transport) -> bool:
    connected = transport.get_extra_info("socket")
    if connected is None or connected.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))
