"""Starlette's routing, Request and Response in the place of service/gateway/dispatch.py and messages.py.

The handlers are the same. Deadlines, limits, keys, metrics and errors of ours are left out: it costs at least so much.
"""

from __future__ import annotations

from typing import Any


def change() -> None:
    """Answer every request through Starlette."""
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request as StarletteRequest  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    from service.gateway.dispatch import Gateway  # noqa: PLC0415
    from service.gateway.messages import BodyLimits, Message, Request  # noqa: PLC0415
    from service.gateway.route import Handler  # noqa: PLC0415

    limits = BodyLimits(2**24, 2**28)
    configure = Gateway.configure

    def endpoint(handler: Handler) -> Any:
        async def answer(request: StarletteRequest) -> Response:
            body = await request.body()

            async def receive() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            ours = Request(request.scope, receive, limits)
            reply = await handler(ours)
            ours.release()
            headers = {name.decode(): value.decode() for name, value in reply.headers}
            return Response(reply.body, reply.status, headers, reply.content_type.decode())

        return answer

    def configured(self: Gateway, routes: Any, *given: Any, **named: Any) -> None:
        routes = list(routes)
        configure(self, routes, *given, **named)
        self._http = Starlette(  # type: ignore[assignment]
            routes=[Route(route.path, endpoint(route.handler), methods=[route.method]) for route in routes]
        )

    Gateway.configure = configured  # type: ignore[method-assign]
