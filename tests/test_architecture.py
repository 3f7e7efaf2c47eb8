"""ARCHITECTURE.md tells the way of a picture: a real request is followed from file to file, and must take that way."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from serving import ROOT
from uvicorn.server import ServerState

from service.api.predict import PictureRoutes
from service.gateway.dispatch import Gateway
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.recognition.async_recogniser import AsyncRecogniser
from service.server.connection import GuardedConnection
from service.settings import SHIPPED_MODEL, Settings
from service.telemetry.metrics import Metrics

DOCUMENT = (ROOT / "ARCHITECTURE.md").read_text()
MOST_ROOMS = 10


def rooms_of_the_document() -> list[str]:
    """The numbered files of the document's way, in order."""
    return re.findall(r"^\d+\. `(service/[\w/.]+)`", DOCUMENT, re.MULTILINE)


def helpers_of_the_document() -> set[str]:
    """The files that the way uses beside its rooms."""
    groups = re.findall(r"`(service/\w+)/\{([\w,]+)\}\.py`", DOCUMENT)
    return {f"{folder}/{name}.py" for folder, names in groups for name in names.split(",")}


def file_of(frame: FrameType) -> str:
    """The project's file that a frame runs, preprocessing and telemetry as their folders; empty for other code."""
    path = Path(frame.f_code.co_filename)
    if not path.is_relative_to(ROOT / "service"):
        return ""
    name = path.relative_to(ROOT).as_posix()
    return next((f"{folder}/" for folder in ("service/preprocess", "service/telemetry") if folder in name), name)


async def answer_one_picture(settings: Settings) -> tuple[bytes, list[str]]:
    """Post a 1 over a real socket; return the reply and the files that ran, in the order of their first call."""
    session = DigitSession(load_artifact(SHIPPED_MODEL), "cpu")
    metrics = Metrics(session.artifact.manifest, "cpu")
    recogniser = AsyncRecogniser(session, settings, metrics)
    gateway = Gateway(_no_bentoml, settings)
    gateway.configure(PictureRoutes(recogniser).routes(), metrics)
    config = uvicorn.Config(gateway, lifespan="off", log_config=None)
    config.load()
    state, loop = ServerState(), asyncio.get_running_loop()
    listener = await loop.create_server(lambda: GuardedConnection(config, state, {}, loop), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    files: dict[str, None] = {}

    def follow(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (name := file_of(frame)):
            files.setdefault(name)

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.sleep(0)  # the connection is made before it is followed
    sys.setprofile(follow)
    try:
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head).group(1))  # type: ignore[union-attr]
        body = await reader.readexactly(length)
    finally:
        sys.setprofile(None)
        writer.close()
        listener.close()
        recogniser.close()
    return head + body, list(files)


def request() -> bytes:
    """A form with a 28x28 PNG of a 1, as curl sends it."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 13:16] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="1.png"\r\n\r\n' + file.getvalue()
    body = part + b"\r\n--x--\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def _no_bentoml(*_: Any) -> None:
    raise AssertionError("the request left the gateway")


def test_a_picture_takes_the_way_that_the_document_tells() -> None:
    """In the order of their first call the files are the document's, and there are ten at most."""
    reply, files = asyncio.run(answer_one_picture(Settings()))
    assert b'"digit":1' in reply
    rooms = rooms_of_the_document()
    assert len(rooms) <= MOST_ROOMS
    assert [name for name in files if name in rooms] == rooms
    beside = helpers_of_the_document() | {"service/telemetry/", "service/errors.py", "service/contract.py"}
    assert set(files) <= set(rooms) | beside


def test_the_document_names_every_layer() -> None:
    """Each folder and each file at the top of both packages has its line."""
    for package in ("service", "training"):
        for path in sorted((ROOT / package).iterdir()):
            if path.name.startswith("__") or path.suffix not in ("", ".py"):
                continue
            name = f"{path.name}/" if path.is_dir() else path.name
            assert f"`{name}`" in DOCUMENT, f"ARCHITECTURE.md does not name {package}/{name}"
