"""HEIC and AVIF through every door of the running service, and damaged ones by the hundred."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
import pytest
from serving import Server
from test_predict import check, picture

BOTH = pytest.mark.parametrize("kind", ["AVIF", "HEIF"])


def workers(server: Server) -> set[int]:
    """The server's processes, but for the decoders, which may come and go."""
    family = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    return {process.pid for process in family if "service.preprocess.sandboxed" not in process.cmdline()}


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A plain HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@BOTH
def test_every_door_takes_them(http: httpx.Client, kind: str) -> None:
    """The file under its own name, another's, or none; in a form, as JSON, in a batch and as a tensor of bytes."""
    data = picture(kind)
    text = base64.b64encode(data).decode()
    for content_type in ("image/heic", "image/heif", "image/avif", "image/png", "application/octet-stream", ""):
        check(http.post("/predict", content=data, headers={"content-type": content_type}).json())
    check(http.post("/predict", files={"file": ("IMG_0001.HEIC", data)}).json())
    check(http.post("/predict", json={"image": f"data:image/heic;base64,{text}"}).json())
    parts = [("images", ("a", data)), ("images", ("b", data[:-9])), ("images", ("c", picture("JPEG")))]
    first, cut, last = http.post("/predict_batch", files=parts).json()["predictions"]
    check(first)
    check(last)
    assert cut["error"]["code"] == "undecodable_picture"
    tensor = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [text]}
    outputs = http.post("/v2/models/digits/infer", json={"inputs": [tensor]}).json()["outputs"]
    assert next(one["data"] for one in outputs if one["name"] == "digit") == [1]
    assert http.post("/explain", content=data).json()["prediction"]["digit"] == 1


def test_the_document_offers_their_types(http: httpx.Client) -> None:
    """Clients that are made from it may send them by name."""
    content = http.get("/docs.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert {"image/heic", "image/heif", "image/avif"} <= set(content)


@BOTH
def test_no_damage_costs_the_server_anything(server: Server, kind: str) -> None:
    """Three hundred files with bytes changed, mostly in the boxes: each gets an answer or a refusal, none an error."""
    before = workers(server)
    data, rng = picture(kind), np.random.default_rng(7)
    boxes = data.index(b"mdat") if kind == "AVIF" else min(700, len(data))

    def damaged(number: int) -> bytes:
        changed = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            changed[rng.integers(4 if number % 4 else 12, boxes if number % 4 else len(data))] = rng.integers(256)
        return bytes(changed[: len(data) if number % 3 else rng.integers(13, len(data))])

    files = [damaged(number) for number in range(300)]
    with httpx.Client(base_url=server.url, timeout=30) as client, ThreadPoolExecutor(4) as pool:
        statuses = Counter(pool.map(lambda sent: client.post("/predict", files={"image": sent}).status_code, files))
        check(client.post("/predict", content=data).json())
    assert set(statuses) <= {200, 413, 422}, statuses
    assert statuses[200]
    assert statuses[422]
    assert workers(server) == before
