"""KServe's V1 protocol: its own client as it is, curl, and every way to write an instance."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kserve import InferenceRESTClient, RESTConfig
from numpy.typing import NDArray
from PIL import Image
from serving import Server

from service.api.instances import read_instances
from service.errors import RequestError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the client
PREDICT = "/v1/models/digits:predict"
BLANK = "blank"


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A plain HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def bar() -> NDArray[np.uint8]:
    """A 1, uint8 [28, 28], as MNIST would hold it."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:16] = 255
    return image


def text(image: NDArray[np.uint8]) -> str:
    """An image as a PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_kserves_own_client_gets_one_row_for_each_instance(server: Server) -> None:
    """InferenceRESTClient with protocol v1: readiness, images and pictures mixed, and our message as its error."""

    async def talk() -> dict[str, Any]:
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            assert await client.is_model_ready(server.url, "digits")
            with pytest.raises(httpx.HTTPStatusError, match="no model 'letters'"):
                await client.is_model_ready(server.url, "letters")
            data = {"instances": [bar().tolist(), {"b64": text(bar())}, {"b64": text(bar() * 0)}]}
            answer: dict[str, Any] = await client.infer(server.url, data, model_name="digits")
            with pytest.raises(httpx.HTTPStatusError, match=r"instances\[0\]"):
                await client.infer(server.url, {"instances": [{"b64": "AAAA"}]}, model_name="digits")
            return answer

    image, picture, blank = asyncio.run(talk())["predictions"]
    assert (image["digit"], image["rejected"]) == (1, None)
    assert (picture["digit"], picture["rejected"]) == (1, None)
    assert (blank["digit"], blank["rejected"]) == (None, BLANK)
    assert all(len(row["probabilities"]) == 10 for row in (image, picture, blank))
    assert image["confidence"] == max(image["probabilities"])


def test_curl_gets_the_same(server: Server) -> None:
    """As in KServe's tutorials: `curl -d @input.json`, under curl's own Content-Type."""
    body = json.dumps({"instances": [bar().tolist()]})
    command = ["curl", "-sS", "-d", "@-", f"{server.url}{PREDICT}"]
    done = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["digit"] == 1


def test_images_get_the_answers_of_v2_and_pictures_those_of_predict(http: httpx.Client) -> None:
    """The protocol is another door to the same recogniser."""
    row, seen = http.post(PREDICT, json={"instances": [bar().tolist(), {"b64": text(bar())}]}).json()["predictions"]
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": bar().ravel().tolist()}
    outputs = http.post("/v2/models/digits/infer", json={"inputs": [tensor]}).json()["outputs"]
    shares = next(output["data"] for output in outputs if output["name"] == "probabilities")
    np.testing.assert_allclose(row["probabilities"], shares, atol=1e-6)
    predicted = http.post("/predict", json={"image": text(bar())}).json()
    del predicted["model"]
    assert seen == predicted


def test_the_models_are_listed_and_told_ready(http: httpx.Client) -> None:
    """The answers that KServe's own server gives."""
    assert http.get("/v1/models").json() == {"models": ["digits"]}
    assert http.get("/v1/models/digits").json() == {"name": "digits", "ready": True}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/models/letters", "no model 'letters'"),
        ("/v1/models/letters:predict", "no model 'letters'"),
        ("/v1/models/digits:explain", "/explain"),
        ("/v1/models/digits:classify", "'classify'"),
    ],
)
def test_what_there_is_not_is_refused_by_name(http: httpx.Client, path: str, said: str) -> None:
    """404, with the error as a string, which is what V1's clients look for."""
    answer = http.post(path, json={})
    assert answer.status_code == 404
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "instance",
    [
        bar().tolist(),
        bar()[np.newaxis].tolist(),
        bar()[..., np.newaxis].tolist(),
        bar().ravel().tolist(),
        bar().astype(float).tolist(),
        {"images": bar().tolist()},
        {"b64": text(bar())},
        {"image_bytes": {"b64": text(bar())}, "key": "1"},
        {"data": text(bar()), "target": 0},
        {"b64": f"data:image/png;base64,{text(bar())}"},
        text(bar()),
    ],
    ids=["rows", "channel first", "channel last", "flat", "floats", "named", "b64", "tf", "torchserve", "uri", "text"],
)
def test_an_instance_may_be_written_in_any_unambiguous_way(http: httpx.Client, instance: Any) -> None:
    """All are the same 1."""
    answer = http.post(PREDICT, json={"instances": [instance]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["digit"] == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"[]", 400, "no object"),
        (b'{"inputs": []}', 400, "['inputs']"),
        (b'{"instances": []}', 400, "0 instances"),
        (b'{"instances": [7]}', 400, "instances[0]: the instance is 7"),
        (b'{"instances": [{}]}', 400, "instances[0]: the instance is {}"),
        (b'{"instances": [[[0, 1], [2]]]}', 400, "instances[0]: it is not a regular array"),
        (b'{"instances": [[[0, 1]]]}', 400, "shape [1, 2], expected one of [28, 28]"),
        (b'{"instances": [{"b64": "%%"}]}', 422, "instances[0]: the text '%%' is not base64"),
        (json.dumps({"instances": [bar().tolist(), [256] * 784]}).encode(), 400, "from 0 to 256"),
        (json.dumps({"instances": [[0.5] * 784]}).encode(), 400, "ambiguous"),
        (json.dumps({"instances": [["a"] * 784]}).encode(), 400, "must be numbers"),
        (json.dumps({"instances": [[0] * 784] * 1025}).encode(), 400, "1025 instances, expected 1 to 1024"),
        (json.dumps({"signature_name": "other", "instances": [[0] * 784]}).encode(), 400, "signature 'other'"),
    ],
)
def test_what_is_wrong_is_said(http: httpx.Client, body: bytes, status: int, said: str) -> None:
    """The instance, what it is, and what was expected."""
    answer = http.post(PREDICT, content=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["b64", "image", "data", "x"]), inner),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary(max_size=60) | VALUES.map(lambda one: json.dumps({"instances": one}).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """Nothing but the service's own errors comes out of the reader, for any JSON and any bytes."""
    try:
        read = read_instances(body, (28, 28))
    except RequestError:
        return
    assert len(read.image_places) + len(read.picture_places) > 0
