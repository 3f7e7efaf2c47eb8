"""The page is served from memory with its headers, and the look inside belongs to the same answer as /predict."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import Server

from service.page import Page


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
