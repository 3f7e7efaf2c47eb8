"""The limit within one process: what the network costs without HTTP, and what each part of a request adds."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import numpy as np
import uvloop
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks import with_python_multipart
from benchmarks.pictures import drawing, photo, png, snapshot
from benchmarks.timing import fastest
from benchmarks.workloads import BATCH, form, images, tensor
from service.api import health
from service.api.inference import Inference
from service.api.model_config import model_config
from service.api.open_inference import InferenceRoutes
from service.api.open_inference_wire import parse_infer
from service.api.predict import PictureRoutes
from service.gateway.dispatch import Gateway
from service.gateway.forms import parse_multipart
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import preprocess
from service.preprocess.decode import decode
from service.recognition.async_recogniser import AsyncRecogniser
from service.recognition.batcher import Batcher
from service.recognition.second_look import find_doubtful
from service.server.connection import GuardedConnection
from service.settings import load_settings
from service.telemetry.metrics import Metrics

BATCHES = (1, 8, 64)
INFER = "/v2/models/digits/infer"


def measure_in_process(seconds: float = 3) -> list[list[str]]:
    """Measure for so many seconds a group; gives the lines of a table: what, microseconds a call, calls in a second."""
    settings = load_settings()
    session = DigitSession(load_artifact(settings.model), "cpu", 1)
    session.warm_up()
    gc.collect()
    gc.freeze()  # as the service does
    try:
        found = uvloop.run(_measure(session, seconds))  # the loop that serves
    finally:
        gc.unfreeze()
    lines = [[name, f"{us:,.1f}", f"{1e6 / us:,.0f}"] for name, us in found.items()]
    return [["in one process, one thread", "µs", "in a second"], *lines]


async def _measure(session: DigitSession, seconds: float) -> dict[str, float]:
    return {
        **await fastest(_limits(session), seconds),
        **await fastest(_kinds(), seconds),
        **await fastest(_parts(), seconds),
        **await fastest(_requests(session), seconds),
    }


def _limits(session: DigitSession) -> dict[str, Any]:
    """The network alone, and what the batcher adds where nobody else is there."""
    batches = {count: images(count) for count in BATCHES}
    batcher = Batcher(session.run)

    def run(count: int) -> Any:
        return lambda: session.run(batches[count])

    async def submit() -> None:
        await batcher.submit(batches[1])

    return {
        **{f"network, {count} image{'s' * (count > 1)}": run(count) for count in BATCHES},
        "network, 1 image, through the batcher": submit,
    }


def _kinds() -> dict[str, Any]:
    """Preprocessing of the kinds of pictures that people send."""
    files = {
        "a 280 × 280 drawing with transparency": drawing(),
        "a 640 × 480 JPEG of paper": snapshot(),
        "a 12-megapixel JPEG of paper": photo(),
    }
    return {f"preprocessing {name}": lambda data=data: preprocess(data) for name, data in files.items()}


def _parts() -> dict[str, Any]:
    """Some parts of a small request; by themselves, because photos would empty the processor's caches for them."""
    file = png(images(1)[0])
    upload, headers = form([file], "image")
    content_type = headers["Content-Type"]
    pixels, headers = tensor(images(1))
    length = headers["Inference-Header-Content-Length"].encode()
    return {
        "part: splitting the form of one picture": lambda: parse_multipart(upload, content_type, max_parts=16),
        "part: … with python-multipart": lambda: with_python_multipart.parse_multipart(
            upload, content_type, max_parts=16
        ),
        "part: uvicorn's connection, one V2 request": _connection(HttpToolsProtocol, pixels, headers),
        "part: … as the service guards it": _connection(GuardedConnection, pixels, headers),
        "part: decoding a 28 × 28 PNG": lambda: decode(file),
        "part: decoding and preparing a 28 × 28 PNG": lambda: preprocess(file),
        "part: reading a V2 request of one image": lambda: parse_infer(pixels, length, (28, 28)),
    }


def _connection(kind: type[HttpToolsProtocol], body: bytes, headers: dict[str, str]) -> Any:
    """One request from the socket's bytes to an application that reads it and answers two bytes, and back."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {INFER} HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body

    async def application(_: object, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        answered.set()

    answered = asyncio.Event()
    config = Config(application, lifespan="off", access_log=False, server_header=False, date_header=False)  # type: ignore[arg-type]
    config.load()
    connections: list[HttpToolsProtocol] = []

    async def call() -> None:
        if not connections:  # needs the loop
            connections.append(kind(config, ServerState(), {}, asyncio.get_running_loop()))
            connections[0].connection_made(_Socket())
        answered.clear()
        connections[0].data_received(request)
        await answered.wait()

    return call


class _Socket(asyncio.Transport):
    """Takes what is written, and forgets it."""

    def write(self, _: object) -> None:
        """Take an answer."""

    def is_closing(self) -> bool:
        """Tell that it never closes."""
        return False


def _requests(session: DigitSession) -> dict[str, Any]:
    """Whole requests through the gateway, without socket and HTTP parser."""
    settings = load_settings()
    metrics = Metrics(session.artifact.manifest, session.provider)
    recogniser = AsyncRecogniser(session, settings, metrics)
    routes = PictureRoutes(recogniser)
    gateway = Gateway(_nothing, settings)
    inference = Inference(recogniser)
    inference_routes = InferenceRoutes(inference, model_config(inference.metadata, settings))
    gateway.configure([*health.routes(), *routes.routes(), *inference_routes.routes()], metrics)
    files = [png(image) for image in images(BATCH)]
    doubtful = _doubtful(session)
    return {
        "request: health, which does nothing": _asgi(gateway, "GET", "/livez", b"", {}),
        "request: raw": _asgi(gateway, "POST", "/predict", files[0], {"Content-Type": "image/png"}),
        "request: upload": _asgi(gateway, "POST", "/predict", *form(files[:1], "image")),
        "request: pixels1": _asgi(gateway, "POST", INFER, *tensor(images(1))),
        "request: pixels64": _asgi(gateway, "POST", INFER, *tensor(images(64))),
        "request: batch32": _asgi(gateway, "POST", "/predict_batch", *form(files, "images")),
        "request: upload, with a second look": _asgi(gateway, "POST", "/predict", *form([doubtful], "image")),
        "request: batch32, all with a second look": _asgi(
            gateway, "POST", "/predict_batch", *form([doubtful] * BATCH, "images")
        ),
    }


def _doubtful(session: DigitSession) -> bytes:
    """A PNG that the network is unsure of: a smear."""
    smears = np.zeros((100, 28, 28), np.uint8)
    smears[:, 8:20, 8:20] = np.random.default_rng(0).integers(0, 256, (100, 12, 12))
    prepared = [preprocess(png(smear)) for smear in smears]
    unsure = find_doubtful(session.run(np.stack([one.image for one in prepared])))
    return png(smears[next(place for place in unsure if not prepared[place].rejected)])


def _asgi(gateway: Gateway, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    """One request as uvicorn would hand it over."""
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    lines += [(b"host", b"127.0.0.1:3000"), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": lines}

    whole = {"type": "http.request", "body": body, "more_body": False}

    async def request() -> None:
        messages = iter([whole])

        async def receive() -> dict[str, Any]:
            # The client stays: what waits for it to go waits until the answer is there.
            return next(messages, None) or await asyncio.get_running_loop().create_future()

        await gateway(scope, receive, _send)

    return request


async def _send(_: object) -> None:
    """Take an answer."""


async def _nothing(*_: object) -> None:
    """Take BentoML's place, which no measured route asks."""
