"""The outermost ASGI application: our routes answered directly, everything else handed to BentoML's own application.

BentoML's middleware costs more than the whole answer (docs/performance.md), so the routes that people call do not pass
through it. What it does once for each process (start, health, metrics registry, the batchable API) stays with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING

from service.errors import DeadlineExceeded, NotFound, RequestError, ServiceError
from service.http import ASGIApp, Disconnected, Header, Receive, Reply, Request, Scope, Send, error_reply, send_reply

if TYPE_CHECKING:
    from service.metrics import Metrics
    from service.settings import Settings

log = logging.getLogger("bentoml.service.gateway")  # below BentoML's logger, whose handlers are configured

Handler = Callable[[Request], Awaitable[Reply]]


class MethodNotAllowed(RequestError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


class Gateway:
    """ASGI application that dispatches by exact path and turns every error into an answer.

    Args:
        inner: BentoML's application; gets the lifespan events and the paths in `inner_paths`.
        settings: limits and deadlines.
    """

    def __init__(self, inner: ASGIApp, settings: Settings) -> None:
        self._inner = inner
        self._settings = settings
        self._routes: dict[str, dict[str, Handler]] = {}
        self._inner_paths: set[str] = set()
        self._started: Callable[[], None] | None = None
        self._metrics: Metrics | None = None

    def configure(
        self,
        routes: dict[str, dict[str, Handler]],
        inner_paths: set[str],
        metrics: Metrics,
    ) -> None:
        """Set the routes (path to method to handler) and the paths that BentoML answers."""
        self._routes = routes
        self._inner_paths = inner_paths
        self._metrics = metrics

    def on_startup(self, started: Callable[[], None]) -> None:
        """Have `started` called when BentoML's application has started, before the first request."""
        self._started = started

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "http":
            methods = self._routes.get(scope["path"])
            if methods is None and scope["path"] in self._inner_paths:
                await self._inner(scope, receive, send)
            else:
                await self._answer(methods, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, methods: dict[str, Handler] | None, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        request = Request(scope, receive, self._settings.max_body_bytes)
        request_id = request.headers.get(b"x-request-id") or os.urandom(8).hex().encode()
        extra: tuple[Header, ...] = ((b"x-request-id", request_id[:128]),)
        try:
            handler = _find(methods, request)
            async with asyncio.timeout(self._settings.timeout_s):
                reply = await handler(request)
        except ServiceError as error:
            reply = error_reply(error, v2=request.path.startswith("/v2"))
        except TimeoutError:
            late = DeadlineExceeded(f"no answer within {self._settings.timeout_s:g} s; try again, or send less at once")
            reply = error_reply(late, v2=request.path.startswith("/v2"))
        except Disconnected:
            return
        except Exception:
            log.exception("unexpected error, request id %s", request_id[:128].decode("latin-1"))
            problem = ServiceError("unexpected error; the server's log has the details under the X-Request-ID")
            reply = error_reply(problem, v2=request.path.startswith("/v2"))
        await send_reply(send, reply, extra, head=request.method == "HEAD")
        if self._metrics is not None:
            route = request.path if methods is not None else "other"
            self._metrics.request(route, reply.status, perf_counter() - started)
        if self._settings.access_log:
            log.info("%s %s %d %.1f ms", request.method, request.path, reply.status, (perf_counter() - started) * 1e3)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: dict[str, object]) -> None:
            if message["type"] == "lifespan.startup.complete" and self._started is not None:
                self._started()
            await send(message)

        await self._inner(scope, receive, watch)  # type: ignore[arg-type]


def _find(methods: dict[str, Handler] | None, request: Request) -> Handler:
    if methods is None:
        raise NotFound(f"no route {request.path[:200]!r}; the API is described at /docs.json")
    handler = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
    if handler is None:
        raise MethodNotAllowed(f"{request.path} does not take {request.method[:20]}, expected {', '.join(methods)}")
    return handler
