"""BentoML's own application as a handler: its routes pass the same checks as every other route."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Callable
from typing import Annotated, Any, Final

import numpy as np
import orjson
from pydantic import Field
from typing_extensions import TypedDict

from service.api.health import TEXT
from service.api.picture_bodies import media_type
from service.api.predict import Shares
from service.api.schemas import Fact
from service.contract import JSON, MAX_IMAGES
from service.errors import PayloadTooLarge, RequestError, ServiceError, UnsupportedType
from service.gateway.messages import ASGIApp, Disconnected, Header, Message, Reply, Request, json_reply
from service.gateway.route import Route

# The batchable API takes JSON alone. BentoML knows two more types: pickle (CVE-2025-27520), and forms, in which a
# string in place of a file is a URL that it opens (CVE-2025-54381).
WITHOUT_BODY: Final = {"GET", "HEAD"}
_TAKEN_OFF: Final = {b"accept-encoding", b"content-encoding", b"content-length"}  # the gateway has seen to these
_DROPPED: Final = {b"content-length", b"content-type", b"server", b"connection"}


class ImagesBody(TypedDict):
    """Images for the network."""

    images: Annotated[list[Annotated[list[list[Any]], Fact("image")]], Field(min_length=1, max_length=MAX_IMAGES)]


def routes(app: ASGIApp, check: Callable[[bytes], None], *, metrics_open: bool) -> list[Route]:
    """Return the routes that BentoML's application answers behind the gateway.

    Args:
        app: BentoML's application.
        check: raises RequestError for a body of `/classify` that the application would stumble over.
        metrics_open: whether `/metrics` needs no API key.
    """
    inner = InnerApp(app)
    return [
        Route(
            "POST", "/classify", InnerApp(app, check), "classify", "bentoml",
            "Classify 28 × 28 images through BentoML's adaptive batching", {JSON: list[Shares]}, {JSON: ImagesBody},
            errors=(RequestError, PayloadTooLarge, UnsupportedType),
        ),
        Route(
            "GET", "/metrics", inner, "metrics", "operations", "Prometheus metrics", {TEXT: str}, is_open=metrics_open
        ),
        Route("GET", "/schema.json", inner, "schema", "operations", "BentoML's own schema", {JSON: Any}),
    ]  # fmt: skip


class InnerApp:
    """Handler that calls an ASGI application with a body that was read within our limits, and takes its answer whole.

    Args:
        app: BentoML's application.
        check: raises RequestError for a JSON body that the application would stumble over.
    """

    def __init__(self, app: ASGIApp, check: Callable[[bytes], None] | None = None) -> None:
        self._app = app
        self._check = check

    async def __call__(self, request: Request) -> Reply:
        """Answer as the application does; its errors come in the form of ours, without what they quote."""
        body = b""
        if request.method not in WITHOUT_BODY:
            if media_type(request) != "application/json":
                raise UnsupportedType(f"the Content-Type is {request.content_type[:100]!r}, expected application/json")
            body = await request.body()
            if self._check is not None:
                self._check(body)
        answer = _Collector(body, request)
        headers = [header for header in request.scope["headers"] if header[0] not in _TAKEN_OFF]
        scope = {**request.scope, "method": _method(request), "path": request.path, "headers": headers}
        await self._app(scope, answer.receive, answer.send)
        return answer.reply()


def check_images(body: bytes, image_shape: tuple[int, ...], most: int) -> None:
    """Take only what the batchable API can answer; BentoML turns a null among the pixels into a 500.

    Raises:
        RequestError: the body is not `{"images": …}` with 1 to `most` images of whole numbers from 0 to 255.
    """
    expected = f"expected {{'images': …}} with 1 to {most} images {list(image_shape)} of whole numbers from 0 to 255"
    try:
        images = orjson.loads(body)["images"]
        pixels = np.array(images if isinstance(images, list) else [])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise RequestError(f"the request is malformed ({type(error).__name__}); {expected}") from error
    if pixels.shape[1:] != image_shape or not 1 <= len(pixels) <= most:
        raise RequestError(f"the images have the shape {list(pixels.shape)}; {expected}")
    if pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise RequestError(f"a pixel is no whole number from 0 to 255; {expected}")


class _Collector:
    """The two ends of one ASGI call: gives the body, keeps the answer."""

    def __init__(self, body: bytes, request: Request) -> None:
        self._body: bytes | None = body
        self._request = request
        self._status = 500
        self._headers: list[Header] = []
        self._chunks: list[bytes] = []

    async def receive(self) -> Message:
        if self._body is None:  # it asks whether the client is still there; the gateway watches that
            await asyncio.get_running_loop().create_future()
            raise Disconnected
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            self._chunks.append(message.get("body", b""))

    def reply(self) -> Reply:
        body = b"".join(self._chunks)
        if self._status >= 400:
            return _error(self._status, body)
        kind = next((value for name, value in self._headers if name == b"content-type"), JSON.encode())
        return Reply(self._status, body, kind, tuple(h for h in self._headers if h[0] not in _DROPPED))


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _error(status: int, body: bytes) -> Reply:
    """Write an error in our form; of BentoML's, only the places and messages are kept."""
    try:
        content = orjson.loads(body)
        content = content[0] if isinstance(content, list) else content
        details = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in content.get("detail", [])]
        message = "; ".join([content["error"], *details])[:1000]
    except (ValueError, LookupError, TypeError, AttributeError):
        message = http.HTTPStatus(status).phrase
    code = RequestError.code if status < 500 else ServiceError.code
    return json_reply({"error": {"code": code, "message": message}}, status)
