"""BentoML's own clients, as they come, against the running service: they find every API in /schema.json."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import BENTOML, OURS, Server, StartServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:unclosed file:ResourceWarning")


@pytest.fixture(params=[OURS, BENTOML], ids=["python -m service", "bentoml serve"])
def url(request: pytest.FixtureRequest, launch: StartServer, server: Server) -> str:
    """The service under either supervisor."""
    return server.url if request.param == BENTOML else launch(lame_duck_s=0).url


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file with a 1, dark on white."""
    canvas = Image.new("L", (120, 120), 255)
    ImageDraw.Draw(canvas).line([(60, 20), (60, 100)], 0, 10)
    canvas.save(tmp_path / "one.png")
    return tmp_path / "one.png"


@pytest.fixture
def expected(url: str, picture: Path) -> Iterator[Any]:
    """What /predict answers to that file."""
    with httpx.Client(base_url=url, timeout=20) as client:
        yield client.post("/predict", files={"image": picture.read_bytes()}).raise_for_status().json()


def bar() -> np.ndarray:
    """Two images uint8 [2, 28, 28] of a bar."""
    images = np.zeros((2, 28, 28), np.uint8)
    images[:, 4:24, 13:15] = 255
    return images


def test_the_client_finds_and_calls_every_api(url: str, picture: Path, expected: Any, tmp_path: Path) -> None:
    """With paths, as Path or text, and with pictures of Pillow; one bad file keeps its error."""
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with bentoml.SyncHTTPClient(url, timeout=20) as client:
        assert client.predict(image=picture) == client.predict(str(picture)) == expected
        assert client.predict(image=Image.open(io.BytesIO(picture.read_bytes()))) == expected
        answers = client.predict_batch(images=[picture, tmp_path / "bad.png", picture])["predictions"]
        assert answers[0] == answers[2] == expected
        assert answers[1]["error"]["code"] == "undecodable_picture"
        explanation = client.explain(image=picture)
        assert explanation["prediction"] == expected
        assert {"maps", "weights", "occlusion"} <= set(explanation)
        probabilities = client.classify(images=bar())
        assert (probabilities.shape, probabilities.dtype) == ((2, 10), np.float32)
        np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
        with pytest.raises(bentoml.exceptions.BentoMLException, match="in no supported picture format"):
            client.predict(image=tmp_path / "bad.png")
        client._temp_dir.cleanup()  # which it would leave to the collector


def test_the_asynchronous_client_calls_them_too(url: str, picture: Path, expected: Any) -> None:
    """One after the other: it closes the files of all its calls when one of them ends."""

    async def scenario() -> None:
        async with bentoml.AsyncHTTPClient(url, timeout=20) as client:
            assert await client.predict(image=picture) == expected
            assert (await client.predict_batch(images=[picture]))["predictions"] == [expected]
            assert (await client.explain(image=picture))["prediction"] == expected
            assert (await client.classify(images=bar())).shape == (2, 10)
            client._temp_dir.cleanup()

    asyncio.run(scenario())


def test_the_schema_names_the_apis(server: Server) -> None:
    """Their paths are those of the description."""
    routes = {one["name"]: one["route"] for one in httpx.get(f"{server.url}/schema.json").json()["routes"]}
    assert routes == {name: f"/{name}" for name in ("classify", "predict", "predict_batch", "explain")}
    assert set(routes.values()) <= set(httpx.get(f"{server.url}/docs.json").json()["paths"])
