"""Receives the messages of gRPC calls, so that slow ones neither fill the memory nor delay others."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from grpc.aio import EOF

from service.errors import Overloaded, RequestError, RequestTimeout
from service.gateway.messages import BodyLimits

PATIENCE_S: Final = 1.0
"""How long a message may take to arrive while others wait for its place."""


class Inbox:
    """Reads a call's one message.

    gRPC's library tells neither the size of a message nor how much of it is there before it is whole. So each that
    arrives is taken to be as large as one may be, and only so many arrive at a time as fit into half the room for
    bodies.

    Args:
        limits: shared with HTTP: how large a message may be, and all that is held together.
        whole_s: time for a message to arrive.
    """

    def __init__(self, limits: BodyLimits, whole_s: float) -> None:
        self._limits = limits
        self._whole_s = whole_s
        self._places = asyncio.Semaphore(max(1, limits.together // limits.one // 2))
        self._arriving: dict[asyncio.Timeout, float] = {}  # since when; the oldest first

    async def read(self, context: Any) -> bytes:
        """Read the message; its size counts as held until `release`.

        Raises:
            RequestError: there is none.
            RequestTimeout: it did not arrive in time.
            Overloaded: it was slow and others waited, or all that is held would be too much.
        """
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._whole_s) as limit:
                self._arriving[limit] = started
                data = await context.read()
        except TimeoutError:
            raise self._lateness(asyncio.get_running_loop().time() - started) from None
        finally:
            del self._arriving[limit]
            self._places.release()
        if data is EOF:
            raise RequestError("the call has no message, expected one")
        self._limits.take(len(data))
        return bytes(data)

    def release(self, size: int) -> None:
        """Count a message as held no more."""
        self._limits.take(-size)

    async def _wait(self) -> None:
        """Wait for a place; end the call that has held one for too long."""
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._places.acquire()
            except TimeoutError:
                now = asyncio.get_running_loop().time()
                # One whose time is up may not have left yet, and its timeout cannot be moved any more.
                oldest, since = next(
                    ((one, at) for one, at in self._arriving.items() if not one.expired()), (None, now)
                )
                if oldest is not None and now - since >= PATIENCE_S:
                    oldest.reschedule(now)
            else:
                return

    def _lateness(self, seconds: float) -> RequestTimeout | Overloaded:
        if seconds < self._whole_s:
            return Overloaded(
                f"the message had not arrived after {seconds:.1f} s, and others wait for its place; send it in one go"
            )
        return RequestTimeout(
            f"the message did not arrive within {self._whole_s:g} s; send less, or raise DIGITS_BODY_S"
        )
