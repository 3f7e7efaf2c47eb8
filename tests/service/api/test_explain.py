"""The page is served from memory with its headers, and the look inside belongs to the same answer as /predict."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import Server

import service.api.explain
from service.api.explain import MAX_EXPLAINING, LookInside
from service.api.page import Page
from service.errors import Overloaded


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A plain HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def zero() -> bytes:
    """A drawn 0."""
    canvas = Image.new("L", (140, 140), 255)
    ImageDraw.Draw(canvas).ellipse((45, 30, 95, 110), outline=0, width=10)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def test_every_file_of_the_page_is_served_with_its_type_and_security_headers(http: httpx.Client) -> None:
    """Status, bytes, type, a strict content security policy, and a 304 for who has it already."""
    for path, asset in Page.load().assets.items():
        answer = http.get(path)
        assert (answer.status_code, answer.content) == (200, asset.body)
        assert answer.headers["content-type"] == asset.content_type
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = http.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/%2e%2e/pyproject.toml", "/web/index.html", "/app.py"])
def test_nothing_but_the_page_can_be_reached(http: httpx.Client, path: str) -> None:
    """Paths are keys of a table, never of the file system."""
    assert http.get(path).status_code == 404


def test_the_look_inside_explains_the_answer_of_predict(http: httpx.Client) -> None:
    """Same prediction, the picture that the network saw, and maps of the sizes that the network has."""
    data = zero()
    explained = http.post("/explain", files={"image": data}).raise_for_status()
    assert len(explained.content) < 60_000
    content = explained.json()
    assert content["prediction"] == http.post("/predict", files={"image": data}).json()
    assert content["prediction"]["digit"] == 0
    seen = np.frombuffer(base64.b64decode(content["input"]["data"]), np.uint8).reshape(28, 28)
    assert seen.max() > 200
    shapes = {name: tuple(value["shape"]) for name, value in content["maps"].items()}
    assert shapes["conv1"] == (10, 24, 24)
    assert shapes["pool2"] == (20, 4, 4)


def test_a_bad_picture_cannot_be_explained_either(http: httpx.Client) -> None:
    """The same errors as /predict."""
    answer = http.post("/explain", files={"image": b"junk"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "undecodable_picture")


def test_all_versions_share_one_thread_and_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a live change of version the look inside is that of the new one, and costs no more than before."""
    gate = threading.Event()
    looks: list[tuple[str, int]] = []

    class Explainer:
        def __init__(self, artifact: str) -> None:
            self._artifact = artifact

        def explain(self, _: Any, winner: int) -> Any:
            gate.wait(10)
            assert winner == 1  # as the prediction says
            looks.append((self._artifact, threading.get_ident()))
            return SimpleNamespace(to_json_dict=dict)

    async def body() -> bytes:
        return b"a picture"

    async def picture(_: bytes) -> Any:
        return SimpleNamespace(image=None, prediction=SimpleNamespace(probabilities=[0.3, 0.6, 0.1]))

    def pictures(version: str) -> Any:
        session = SimpleNamespace(artifact=version)
        recogniser = SimpleNamespace(session=session, picture=picture)
        return SimpleNamespace(recogniser=recogniser, answer=str)

    async def scenario() -> None:
        web = LookInside()
        old, new = (web.routes(pictures(version))[0].handler for version in ("1", "2"))
        request: Any = SimpleNamespace(content_type="image/png", body=body)
        waiting = [asyncio.ensure_future(one(request)) for one in [old, new] * (MAX_EXPLAINING // 2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="the limit is 8"):
            await new(request)
        gate.set()
        await asyncio.gather(*waiting)

    monkeypatch.setattr(service.api.explain, "Explainer", Explainer)
    asyncio.run(scenario())
    assert [version for version, _ in looks] == ["1", "2"] * (MAX_EXPLAINING // 2)
    assert len({thread for _, thread in looks}) == 1
