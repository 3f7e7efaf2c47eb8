"""The outermost ASGI application: our routes answered directly, everything else handed to BentoML's own application.

BentoML's middleware costs more than the whole answer (docs/lab/performance.md), so the public routes do not pass
through it. What it does once for each process (start, health, metrics registry, the batchable API) stays with it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from service.errors import MethodNotAllowed, NotFound, Overloaded, RequestError, ServiceError
from service.gateway.access import Keys, Origins, request_id_of
from service.gateway.coding import PAYS, compressed
from service.gateway.deadline import Deadline
from service.gateway.messages import (
    CLOSE,
    JSON,
    ASGIApp,
    BodyLimits,
    Disconnected,
    Header,
    Message,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    error_reply,
    send_reply,
)
from service.gateway.pace import PaceLimits
from service.gateway.route import Handler, Route, has_plain_errors

if TYPE_CHECKING:
    from service.settings import Settings
    from service.telemetry.metrics import Metrics

logger = logging.getLogger("bentoml.service.gateway")  # below BentoML's logger, whose handlers are configured
access_log = logging.getLogger("bentoml.service.access")

Missing = Callable[[str], RequestError | None]

NOSNIFF: Header = (b"x-content-type-options", b"nosniff")


class Draining(Overloaded):
    """The server is shutting down: it still answers, but is not ready for new clients."""

    code = "draining"
    delay_s = 0.0  # a load balancer is to know at once


class _Path(NamedTuple):
    """A path's handlers by method, whether it needs an API key, and whether it reports readiness.

    The `operators` methods need another key; the `infers` methods ask the model.
    """

    methods: dict[str, Handler]
    needs_key: bool
    tells_readiness: bool
    operators: set[str]
    infers: set[str]


class Door(Protocol):
    """Another port of the process, such as gRPC's, which is closed at shutdown."""

    def drain(self) -> None:
        """Report "not ready" from now on; keep answering."""

    async def close(self, grace_s: float) -> None:
        """Complete the requests that have begun, for at most so many seconds, and close."""


class Gateway:
    """ASGI application that dispatches by path, ignores a slash at its end, and turns every error into an answer.

    Args:
        inner: BentoML's application; gets the lifespan events; requests reach it through `InnerApp`.
        settings: limits, deadlines, keys and origins.

    Attributes:
        listeners: the listening sockets, where this process owns them (service/server/worker.py).
        doors: other ports, closed at the end.
        limits: on bodies, which the doors share.
        is_last: tells whether nobody will listen on them when this process has ended.
        forget_address: called before they close for good: clients are to find them no more.
    """

    def __init__(self, inner: ASGIApp, settings: Settings) -> None:
        self.inner = inner
        self.listeners: tuple[socket.socket, ...] = ()
        self.doors: list[Door] = []
        self.limits = BodyLimits(settings.max_body_bytes, settings.max_held_bytes)
        self.is_last: Callable[[], bool] = lambda: settings.workers == 1
        self.forget_address: Callable[[], None] = lambda: None
        self._root = settings.root_path or ""
        self._settings = settings
        self._timeout_s = settings.timeout_s
        self._pace = PaceLimits(settings.body_s, settings.body_pause_s, settings.body_kib_s)
        self._keys = Keys(key.get_secret_value() for key in settings.api_key)
        self._operators = Keys((key.get_secret_value() for key in settings.feedback_key), "DIGITS_FEEDBACK_KEY")
        self._origins = Origins(settings.cors_origins)
        self._routes: dict[str, _Path] = {}
        self._ending: dict[str, str] = {}  # "/feedback" to "/feedback/{id}", whose last part is the request's own
        self._on_startup: list[Callable[[], Awaitable[None] | None]] = []
        self._metrics: Metrics | None = None
        self._missing: Missing | None = None
        self._http: ASGIApp = self._answer
        self._always: tuple[Header, ...] = (NOSNIFF,)

    def configure(self, routes: Iterable[Route], metrics: Metrics, missing: Missing | None = None) -> None:
        """Set the routes; `missing` may give a better error for an unknown path.

        May be called again: requests that have begun end with the handlers that they began with.
        """
        self._routes, self._ending = {}, {}
        for route in routes:
            if route.ends_open:
                self._ending[route.path.rpartition("/")[0]] = route.path
            needs_key = bool(self._keys) and not route.is_open
            path = self._routes.setdefault(route.path, _Path({}, needs_key, route.tells_readiness, set(), set()))
            path.methods[route.method] = route.handler
            if route.is_operators:
                path.operators.add(route.method)
            if route.infers:
                path.infers.add(route.method)
        self._metrics = metrics
        self._missing = missing
        if CLOSE in self._always:
            self.drain()

    def on_startup(self, started: Callable[[], Awaitable[None] | None]) -> None:
        """Call and await `started` when BentoML's application has started, before the first request."""
        self._on_startup.append(started)

    def wrap(self, middleware: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put an ASGI middleware around all requests, such as tracing."""
        self._http = middleware(self._http)

    def drain(self) -> None:
        """Report "not ready" and send "Connection: close" on every answer from now on; keep answering."""
        for door in self.doors:
            door.drain()
        self._always = (NOSNIFF, CLOSE)
        for path in self._routes.values():
            if path.tells_readiness:
                path.methods["GET"] = _draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self.limits)
        started = perf_counter()
        if self._root and (request.path + "/").startswith(self._root + "/"):  # a proxy may have taken it off, or not
            request.path = request.path[len(self._root) :]
        route = self._routes.get(request.path) or self._like(request)
        request_id = request.id = request_id_of(request.headers)
        delay_s = 0.0
        try:
            with Deadline(request, self._timeout_s, self._pace):
                reply = await self._find(route, request)(request)
                if len(reply.body) >= PAYS and reply.content_type == JSON:
                    reply = await compressed(reply, request.headers.get(b"accept-encoding", b""))
        except ServiceError as error:
            reply = error_reply(error, plain=has_plain_errors(request.path))
            delay_s = error.delay_s
        except Disconnected:
            reply = None
        except Exception as error:
            logger.exception("unexpected %s", type(error).__name__, extra={"of_request": request_id.decode()})
            problem = ServiceError("unexpected error; search the server's log for the X-Request-ID")
            reply = error_reply(problem, plain=has_plain_errors(request.path))
        finally:
            request.release()
        seconds = perf_counter() - started
        if delay_s:
            await asyncio.sleep(delay_s)
        if reply is not None:
            extra = (*self._always, (b"x-request-id", request_id))
            if self._origins:
                extra = (*extra, *self._origins.headers(request.headers))
            if request.has_unread_body:
                asked_first = b"expect" in request.headers  # such a client sends nothing once it is refused
                unread = None if asked_first else request
                await send_reply(send, reply, (*extra, CLOSE), head=request.method == "HEAD", request=unread)
            else:
                await send_reply(send, reply, extra, head=request.method == "HEAD")
        self._record(request, route, request_id, reply, seconds)

    def _like(self, request: Request) -> _Path | None:
        """Find the route of a path with a slash or a part of its own at its end; `request.path` becomes the route's."""
        path = request.path.removesuffix("/")
        if path not in self._routes:
            head, _, request.tail = path.rpartition("/")
            path = self._ending.get(head, "") if request.tail else ""
        route = self._routes.get(path)
        if route is not None:
            request.path = path
        return route

    def _find(self, route: _Path | None, request: Request) -> Handler:
        method = request.method
        if not request.path and method in ("GET", "HEAD"):
            return self._to_root
        if route is None:
            if self._keys:
                self._keys.check(request.headers)
            if self._missing is not None and (error := self._missing(request.path)) is not None:
                raise error
            raise NotFound(f"no route {request.path[:200]!r}; the API is described at /docs.json")
        if route.operators and (method if method != "HEAD" else "GET") in route.operators:
            self._operators.check(request.headers)
        elif route.needs_key and not (method == "OPTIONS" and self._origins):
            self._keys.check(request.headers)
        handler = route.methods.get(method) or (route.methods.get("GET") if method == "HEAD" else None)
        if handler is not None:
            return handler
        if method == "OPTIONS" and self._origins:
            return self._preflight
        allowed = ", ".join(_allowed(route))
        raise MethodNotAllowed(f"{request.path} does not take {method[:20]}, expected {allowed}", allowed)

    async def _to_root(self, request: Request) -> Reply:
        """Lead from `/digits` to `/digits/`: the page's links are relative to it."""
        query = request.scope.get("query_string", b"")
        return Reply(308, b"", headers=((b"location", self._root.encode() + b"/" + (query and b"?" + query)),))

    async def _preflight(self, request: Request) -> Reply:
        return self._origins.preflight(_allowed(self._routes[request.path]))

    def _record(
        self, request: Request, route: _Path | None, request_id: bytes, reply: Reply | None, seconds: float
    ) -> None:
        """Count and log by route: a path that is none of ours is the client's text, and never a label or a log line."""
        name = request.path if route is not None else "other"
        status = 499 if reply is None else reply.status  # 499: the client left, as nginx counts it
        if self._metrics is not None:
            infers = route is not None and request.method in route.infers
            self._metrics.request(name, status, seconds, infers=infers)
        if self._settings.access_log:
            access_log.info(
                "%d",
                status,
                extra={
                    "of_request": request_id.decode(),
                    "method": request.method[:20],
                    "route": name,
                    "status": status,
                    "ms": round(seconds * 1e3, 2),
                },
            )

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                for started in self._on_startup:
                    if (opening := started()) is not None:
                        await opening
            await send(message)

        await self.inner(scope, receive, watch)


def _allowed(route: _Path) -> list[str]:
    return [*route.methods, "HEAD"] if "GET" in route.methods else list(route.methods)


async def _draining(_: Request) -> Reply:
    raise Draining("the server is shutting down; send the request to another instance")
