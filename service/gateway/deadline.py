"""Cancels the work of a request whose time is over or whose client has disconnected."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from service.errors import DeadlineExceeded, RequestTimeout
from service.gateway.messages import Disconnected, Request
from service.gateway.pace import Pace, PaceLimits

FIRST_LOOK_S: Final = 0.05  # most answers are out before it, and cost one timer each instead of a task that watches


class Deadline:
    """Context that cancels a handler as soon as its answer is useless.

    Args:
        request: whose client is watched, once its body is read.
        limit_s: time from the whole body to the answer.
        pace: how slowly the body may arrive.

    Raises:
        DeadlineExceeded: at its end, as the other two: the answer was not ready in time.
        RequestTimeout: the body arrives too slowly.
        Disconnected: the client went away.
    """

    __slots__ = (
        "_ends_at",
        "_limit_s",
        "_loop",
        "_pace",
        "_pace_limits",
        "_reason",
        "_request",
        "_task",
        "_timer",
        "_watcher",
    )

    def __init__(self, request: Request, limit_s: float, pace: PaceLimits) -> None:
        self._request = request
        self._limit_s = limit_s
        self._pace_limits = pace
        self._pace: Pace | None = None
        self._reason: Exception | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)
        self._begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        self._request.when_read = None
        if self._watcher is not None:
            self._watcher.cancel()
        task, reason = self._task, self._reason
        # Both hold a traceback, and with it this object and the picture: no cycle may be left for the collector.
        self._task = self._watcher = self._reason = None
        if reason is not None and kind is asyncio.CancelledError and task is not None:
            task.uncancel()
            try:
                raise reason from error
            finally:
                del task, reason, error

    def _begin(self) -> None:
        self._ends_at = self._loop.time() + self._limit_s
        self._timer = self._loop.call_later(min(FIRST_LOOK_S, self._limit_s), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._request.reading:  # the reader itself will learn that the client has gone
            self._look_at_body(now)
        elif now >= self._ends_at:
            self._end(no_answer(self._limit_s))
        else:
            self._watcher = self._loop.create_task(self._watch())

    def _look_at_body(self, now: float) -> None:
        if self._pace is None:
            self._pace = Pace(self._pace_limits, now)
            self._request.when_read = self._body_is_there
        late = self._pace.lateness(self._request.received, now)
        if late is not None:
            self._end(RequestTimeout(late))
        else:
            self._timer = self._loop.call_later(self._pace.look_s, self._look)

    def _body_is_there(self) -> None:
        self._timer.cancel()
        self._begin()

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout_at(self._ends_at):
                await self._request.disconnected()
        except TimeoutError:
            self._end(no_answer(self._limit_s))
        else:
            self._end(Disconnected())

    def _end(self, reason: Exception) -> None:
        if self._task is not None and not self._task.done():
            self._reason = reason
            self._task.cancel()


def no_answer(limit_s: float) -> DeadlineExceeded:
    """Return the error for an answer that was not ready in time."""
    return DeadlineExceeded(f"no answer within {limit_s:g} s; try again, or send less at once")
