"""Liveness and readiness routes."""

from __future__ import annotations

from typing import Final

from service.gateway.messages import Reply, Request
from service.gateway.route import Route

TEXT: Final = "text/plain"
HEALTHY: Final = Reply(200, b"\n", b"text/plain; charset=utf-8")


async def healthy(_: Request) -> Reply:
    """Answer with an empty body."""
    return HEALTHY


def routes() -> list[Route]:
    """Return the health routes of our own; those of V2 are in service/api/open_inference.py."""
    text = {TEXT: str}
    return [
        Route("GET", "/livez", healthy, "livez", "health", "Whether the process lives", text, is_open=True),
        Route("GET", "/healthz", healthy, "healthz", "health", "The same as /livez", text, is_open=True),
        Route(
            "GET", "/readyz", healthy, "readyz", "health", "Whether it is ready for requests", text,
            is_open=True, tells_readiness=True,
        ),
    ]  # fmt: skip
