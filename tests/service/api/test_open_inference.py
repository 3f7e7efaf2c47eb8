"""The Open Inference Protocol over HTTP: the clients of NVIDIA and KServe run against it as they are."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import kserve
import numpy as np
import pytest
import tritonclient.http as triton
from kserve import InferInput, InferRequest
from numpy.typing import NDArray
from PIL import Image
from serving import Server
from tritonclient.utils import triton_to_np_dtype

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import preprocess
from service.recognition.second_look import look_twice
from service.settings import SHIPPED_MODEL

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the two clients


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A plain HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def strokes(count: int) -> NDArray[np.uint8]:
    """Images [count, 28, 28] with a bar, all different, as MNIST would hold them."""
    images = np.zeros((count, 28, 28), np.uint8)
    for i in range(count):
        images[i, 4:24, 12 + i % 5 : 15 + i % 5] = 255 - i
    return images


def png(image: NDArray[np.uint8]) -> bytes:
    """An image as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_pictures_are_looked_at_twice(http: httpx.Client) -> None:
    """A doubtful picture has the logits that /predict judges by; the same image as a tensor has those of the graph."""
    session = DigitSession(load_artifact(SHIPPED_MODEL), "cpu")
    for seed in range(50):  # until one is doubtful, whichever model ships
        smear = np.zeros((28, 28), np.uint8)
        smear[8:20, 8:20] = np.random.default_rng(seed).integers(0, 256, (12, 12), dtype=np.uint8)
        prepared = preprocess(png(smear))
        seen = prepared.image[np.newaxis]
        once, twice = session.run(seen), look_twice(session.run, seen)
        if prepared.rejected is None and np.abs(once.logits - twice.logits).max() > 0.1:
            break
    assert np.abs(once.logits - twice.logits).max() > 0.1
    data = base64.b64encode(png(smear)).decode()
    picture = {"name": "pictures", "shape": [1], "datatype": "BYTES", "data": [data]}
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "data": seen.tolist()}
    for one, expected in ((picture, twice), (tensor, once)):
        answer = http.post("/v2/models/digits/infer", json={"inputs": [one]}).json()
        logits = next(output["data"] for output in answer["outputs"] if output["name"] == "logits")
        np.testing.assert_allclose(logits, expected.logits[0], rtol=1e-3, atol=1e-3)


def test_nvidias_client_gets_metadata_health_and_answers(server: Server) -> None:
    """tritonclient.http, binary in both directions, then JSON in both directions: the same numbers."""
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("letters")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("digits")
    assert {"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28]} in metadata["inputs"]

    images = strokes(5)
    answers = []
    for binary in (True, False):
        given = triton.InferInput("images", [5, 28, 28], "UINT8")
        given.set_data_from_numpy(images, binary_data=binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("digit", "probabilities")]
        answers.append(client.infer("digits", [given], request_id="r-7", outputs=wanted))
    for answer in answers:
        assert answer.get_response()["id"] == "r-7"
        assert answer.as_numpy("digit").dtype == np.int64
        assert (answer.as_numpy("probabilities").argmax(1) == answer.as_numpy("digit")).all()
        np.testing.assert_allclose(answer.as_numpy("probabilities").sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(
            answer.as_numpy("probabilities"), answers[0].as_numpy("probabilities"), rtol=0, atol=1e-7
        )
    client.close()


def test_nvidias_client_sends_encoded_pictures(server: Server) -> None:
    """BYTES elements are whole files; all outputs come when none is named."""
    files = np.array([png(image) for image in strokes(3)], object)
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        given = triton.InferInput("pictures", [3], "BYTES")
        given.set_data_from_numpy(files)
        answer = client.infer("digits", [given])
        assert answer.as_numpy("logits").shape == (3, 10)
        assert answer.as_numpy("rejected").shape == (3,)


def test_nvidias_client_gets_our_message_as_its_error(server: Server) -> None:
    """An error's sentence reaches the caller of the client."""
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        given = triton.InferInput("images", [1, 28, 28], "FP64")
        given.set_data_from_numpy(np.zeros((1, 28, 28), np.float64))
        with pytest.raises(triton.InferenceServerException, match="datatype 'FP64', expected 'UINT8'"):
            client.infer("digits", [given])
        with pytest.raises(triton.InferenceServerException, match="no model 'letters'"):
            client.get_model_metadata("letters")


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("datatype", ["UINT8", "INT32", "INT64", "FP32"])
@pytest.mark.parametrize("shape", [[2, 28, 28], [2, 1, 28, 28], [2, 28, 28, 1], [2, 784]])
def test_nvidias_client_may_write_images_in_any_layout_and_type(
    server: Server, shape: list[int], datatype: str, *, binary: bool
) -> None:
    """All are the same two images, with the same answer."""
    images = strokes(2)
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        plain = triton.InferInput("images", [2, 28, 28], "UINT8")
        plain.set_data_from_numpy(images)
        expected = client.infer("digits", [plain]).as_numpy("logits")
        given = triton.InferInput("images", shape, datatype)
        given.set_data_from_numpy(images.reshape(shape).astype(triton_to_np_dtype(datatype)), binary_data=binary)
        assert (client.infer("digits", [given]).as_numpy("logits") == expected).all()


def test_nvidias_client_is_told_what_is_not_done(server: Server) -> None:
    """Shared memory, sequences, priority and timeout are refused by name, never answered without."""
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        given = triton.InferInput("images", [1, 28, 28], "UINT8")
        given.set_data_from_numpy(strokes(1))
        memory = triton.InferRequestedOutput("probabilities")
        memory.set_shared_memory("region", 40)
        for options, name in (
            ({"outputs": [memory]}, "shared_memory_region"),
            ({"sequence_id": 3}, "sequence_id"),
            ({"priority": 1}, "priority"),
            ({"timeout": 1}, "timeout"),
        ):
            with pytest.raises(triton.InferenceServerException, match=f"parameter '{name}'.*not support") as refused:
                client.infer("digits", [given], **options)
            assert refused.value.status() == "400"
        given.set_shared_memory("region", 784)
        with pytest.raises(triton.InferenceServerException, match="parameter 'shared_memory_region'"):
            client.infer("digits", [given])


def test_every_output_of_the_metadata_can_be_asked_for(http: httpx.Client) -> None:
    """By tensors and by pictures, and the description offers the same; no tensor is ever rejected."""
    named = [output["name"] for output in http.get("/v2/models/digits").json()["outputs"]]
    wanted = http.get("/docs.json").json()["components"]["schemas"]["WantedOutput"]["properties"]
    assert wanted["name"]["enum"] == named
    tensor = {"name": "images", "shape": [2, 28, 28], "datatype": "UINT8", "data": strokes(2).ravel().tolist()}
    files = [base64.b64encode(png(image)).decode() for image in strokes(2)]
    picture = {"name": "pictures", "shape": [2], "datatype": "BYTES", "data": files}
    for one in (tensor, picture):
        body = {"inputs": [one], "outputs": [{"name": name} for name in named]}
        outputs = http.post("/v2/models/digits/infer", json=body).raise_for_status().json()["outputs"]
        assert [output["name"] for output in outputs] == named
        assert outputs[-1]["shape"] == [2]
    body = {"inputs": [tensor], "outputs": [{"name": "rejected"}]}
    assert http.post("/v2/models/digits/infer", json=body).json()["outputs"][0]["data"] == ["", ""]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("rest", ["", "/ready", "/infer", "/config", "/stats", "/a/b"])
def test_an_unknown_model_or_version_says_so_and_names_what_there_is(
    http: httpx.Client, method: str, rest: str
) -> None:
    """404 on every path below it, whatever the method."""
    for path, message in (
        ("letters", "there is no model 'letters'; the one that is served is 'digits'"),
        ("letters/versions/1", "there is no model 'letters'"),
        ("digits/versions/2", "model 'digits' has no version '2' that serves; the one that does is '1'"),
    ):
        answer = http.request(method, f"/v2/models/{path}{rest}")
        assert answer.status_code == 404
        assert message in answer.json()["error"]


def test_kserves_client_gets_health_and_answers(server: Server) -> None:
    """kserve.InferenceRESTClient on the V2 protocol."""

    async def scenario() -> Any:
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        assert await client.is_server_live(server.url)
        assert await client.is_server_ready(server.url)
        assert await client.is_model_ready(server.url, "digits")
        given = InferInput("images", [2, 28, 28], "UINT8")
        given.set_data_from_numpy(strokes(2), binary_data=False)
        call = InferRequest("digits", [given], request_id="k-1")
        try:
            return await client.infer(server.url, call, model_name="digits")
        finally:
            await client.close()

    answer = asyncio.run(scenario())
    assert answer.id == "k-1"
    assert {output.name for output in answer.outputs} == {"probabilities", "logits", "digit"}


def test_pictures_and_predict_agree_and_one_image_equals_its_place_in_a_batch(http: httpx.Client) -> None:
    """All ways into the network lead to the same answer."""
    images = strokes(4)
    body = {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [4, 28, 28], "data": images.ravel().tolist()}]}
    outputs = http.post("/v2/models/digits/infer", json=body).raise_for_status().json()["outputs"]
    probabilities = np.array(next(o["data"] for o in outputs if o["name"] == "probabilities")).reshape(4, 10)
    for image, row in zip(images, probabilities, strict=True):
        body["inputs"][0] |= {"shape": [1, 28, 28], "data": image.ravel().tolist()}
        alone = http.post("/v2/models/digits/infer", json=body).raise_for_status().json()["outputs"][0]["data"]
        np.testing.assert_allclose(alone, row, atol=1e-6)
    file = png(images[0])
    text = base64.b64encode(file).decode()
    body = {"inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [text]}]}
    through_v2 = http.post("/v2/models/digits/versions/1/infer", json=body).raise_for_status().json()["outputs"][0]
    through_predict = http.post("/predict", files={"image": file}).raise_for_status().json()
    np.testing.assert_allclose(through_v2["data"], through_predict["probabilities"], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v2/models/letters/infer", b"{}", 404, "no model 'letters'"),
        ("/v2/models/digits/versions/2/infer", b"{}", 404, "no version '2'"),
        ("/v2/models/digits/infer", b"no json", 400, "not JSON"),
        ("/v2/models/digits/layers", b"{}", 404, "no route"),
        (
            "/v2/models/digits/infer",
            json.dumps(
                {"inputs": [{"name": "pictures", "datatype": "BYTES", "shape": [1], "data": ["bm90IGEgcGljdHVyZQ=="]}]}
            ).encode(),
            422,
            r"pictures[0]: ",
        ),
    ],
)
def test_errors_have_the_shape_that_the_specification_gives(
    http: httpx.Client, path: str, body: bytes, status: int, message: str
) -> None:
    """`{"error": "…"}`, a string and nothing else."""
    answer = http.post(path, content=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert message in answer.json()["error"]


def test_concurrent_callers_get_their_own_answers_with_bad_ones_among_them(server: Server) -> None:
    """Three hundred requests at once over many connections: nobody gets another's tensor or error."""
    images = strokes(60)

    async def scenario() -> None:
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(base_url=server.url, timeout=30, limits=limits) as client:

            async def ask(number: int) -> httpx.Response:
                image = images[number % 60]
                entry = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": image.ravel().tolist()}
                if number % 7 == 3:
                    entry["data"] = entry["data"][1:]
                return await client.post("/v2/models/digits/infer", json={"id": str(number), "inputs": [entry]})

            alone = [(await ask(n)).json()["outputs"][1]["data"] for n in range(60) if n % 7 != 3]
            expected = dict(zip([n for n in range(60) if n % 7 != 3], alone, strict=True))
            answers = await asyncio.gather(*(ask(number) for number in range(300)))
        for number, answer in enumerate(answers):
            if number % 7 == 3:
                assert answer.status_code == 400
            else:
                content = answer.json()
                assert content["id"] == str(number)
                if number % 60 in expected:
                    np.testing.assert_allclose(content["outputs"][1]["data"], expected[number % 60], atol=1e-4)

    asyncio.run(scenario())
