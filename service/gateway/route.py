"""A route: path, method, handler, and its part of the API's description."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.errors import (
    DeadlineExceeded,
    Overloaded,
    PayloadTooLarge,
    RequestError,
    RequestTimeout,
    ServiceError,
    Unauthorised,
    UnsupportedEncoding,
)
from service.gateway.messages import Reply, Request

Handler = Callable[[Request], Awaitable[Reply]]
Content = Mapping[str, Any]
"""Media type to the type of what is written in it, as pydantic reads types; `Any` says nothing of it."""

EVERYWHERE: tuple[type[ServiceError], ...] = (Unauthorised, RequestTimeout, Overloaded, DeadlineExceeded)
"""What the gateway itself may answer on any route."""
WITH_BODY: tuple[type[ServiceError], ...] = (RequestError, PayloadTooLarge, UnsupportedEncoding)
"""What it may answer where there is a body."""


_PROTOCOLS: Final = ("/v1", "/v2")
_BELOW_PROTOCOLS: Final = ("/v1/", "/v2/")


@dataclass(frozen=True)
class Route:
    """One path and method.

    Attributes:
        method, path: what a request must have, exactly; GET answers HEAD too, and a slash at the path's end is ignored.
            The path's last part may be a name in braces: a request has a text of its own there, `Request.tail`.
        handler: answers it.
        name: unique, for generated clients.
        tag: the group that it stands in.
        summary: what it does, in a few words.
        answer: of status 200.
        body: of the request, or None.
        headers: of the request, each with what it means and a pattern.
        tail: what the text in place of the path's last part means, and a pattern; where that is a name in braces.
        errors: what its handler may raise beside `EVERYWHERE` and `WITH_BODY`.
        other: statuses without content that are no errors.
        is_open: needs no API key.
        is_operators: needs a key of those who run the service, and no other key opens it.
        tells_readiness: says 503 while the server drains.
        needs_body: there must be one, where `body` is not None.
        infers: asks the model; counted as its work (service/telemetry/activity.py).
    """

    method: str
    path: str
    handler: Handler
    name: str
    tag: str
    summary: str
    answer: Content
    body: Content | None = None
    headers: Mapping[str, tuple[str, str]] | None = None
    tail: tuple[str, str] | None = None
    errors: tuple[type[ServiceError], ...] = ()
    other: tuple[int, ...] = ()
    is_open: bool = False
    is_operators: bool = False
    tells_readiness: bool = False
    needs_body: bool = True
    infers: bool = False

    @property
    def ends_open(self) -> bool:
        """Whether the path's last part is the request's own."""
        return self.path.endswith("}")

    @property
    def statuses(self) -> list[int]:
        """Every status of an error, in order."""
        errors = (*self.errors, *EVERYWHERE, *(() if self.body is None else WITH_BODY))
        return sorted({error.status for error in errors})


def has_plain_errors(path: str) -> bool:
    """Tell whether a path is of KServe's V1 or V2 (Open Inference) protocol, whose errors are `{"error": message}`."""
    return path in _PROTOCOLS or path.startswith(_BELOW_PROTOCOLS)
