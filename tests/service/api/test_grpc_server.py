"""The gRPC port answers by the rules of HTTP: the same answers, keys, limits, deadlines, metrics and versions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_calls import CHECK, INFER, INFERENCE, Calls, array, bars, images_request, start_grpc
from serving import BENTOML, OURS, START_LIMIT_S, Server, start_server, wait_for

from service.api import grpc_messages as messages
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.settings import SHIPPED_MODEL

if TYPE_CHECKING:
    from serving import StartServer

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One server with the key `secret`, and open metrics; it ends with 0."""
    folder = tmp_path_factory.mktemp("grpc")
    server, port = start_grpc(start_server, folder, api_key="secret", metrics_open=True, lame_duck_s=0)
    yield server, port
    assert server.stop() == 0, server.log_text()


@pytest.fixture
def calls(keyed: tuple[Server, int]) -> Calls:
    """Calls with the key to that server."""
    return Calls(keyed[1], "secret")


def test_an_answer_is_the_sessions_own(calls: Calls) -> None:
    """Images get the network's outputs, bit for bit as in this process."""
    images = bars(7)
    expected = DigitSession(load_artifact(SHIPPED_MODEL), "cpu").run(images)
    answer = calls.infer(images_request(images, id="a"))
    assert (answer.model_name, answer.model_version, answer.id) == ("digits", "1", "a")
    np.testing.assert_allclose(array(answer, "logits", "<f4"), expected.logits, rtol=1e-4, atol=1e-4)
    assert (array(answer, "digit", "<i8") == expected.probabilities.argmax(1)).all()


def test_only_health_is_open_without_the_key(keyed: tuple[Server, int]) -> None:
    """As over HTTP: alive, ready and the health service; all else is refused before its message is read."""
    for key in (None, "wrong"):
        stranger = Calls(keyed[1], key)
        for method in (INFERENCE + "ServerLive", INFERENCE + "ServerReady", CHECK):
            stranger.send(method)
        for method in ("ServerMetadata", "ModelMetadata", "ModelReady", "ModelInfer"):
            assert stranger.refusal(b"\xff", INFERENCE + method)[0] == Code.UNAUTHENTICATED


def test_errors_say_what_http_says(calls: Calls, keyed: tuple[Server, int]) -> None:
    """The status fits, and the message is that of the same request over HTTP."""

    def post(path: str, **body: Any) -> httpx.Response:
        return httpx.post(keyed[0].url + path, headers={"authorization": "Bearer secret"}, timeout=30, **body)

    for shape, datatype in (([1, 28, 27], "UINT8"), ([0, 28, 28], "UINT8"), ([1, 28, 28], "FP64")):
        request = images_request(bars(1))
        request.inputs[0].datatype = datatype
        request.inputs[0].shape[:] = shape
        entry = {"name": "images", "datatype": datatype, "shape": shape, "data": [0]}
        said = post("/v2/models/digits/infer", json={"inputs": [entry]}).json()["error"]
        assert calls.refusal(request) == (Code.INVALID_ARGUMENT, said)
    letters = images_request(bars(1))
    letters.model_name = "letters"
    assert calls.refusal(letters) == (Code.NOT_FOUND, post("/v2/models/letters/infer").json()["error"])
    code, said = calls.refusal(b"", INFERENCE + "ModelTrain")
    assert code == Code.UNIMPLEMENTED
    assert "ModelInfer" in said


def test_every_call_is_counted_under_a_name_of_ours(calls: Calls, keyed: tuple[Server, int]) -> None:
    """Routes are the methods, statuses are HTTP's for the same outcome, and a made-up method adds no series."""
    calls.infer(images_request(bars(1)))
    calls.refusal(b"\xff")
    for number in range(5):
        calls.refusal(b"", f"/made.up/Method{number}")
    text = httpx.get(keyed[0].url + "/metrics", timeout=30).text
    for route, status in ((INFER, "200"), (INFER, "400"), ("other", "501")):
        assert f'digits_request_seconds_count{{route="{route}",status="{status}"}}' in text
    assert "made.up" not in text


def test_the_deadline_ends_the_work_whoever_sets_it(launch: StartServer) -> None:
    """DIGITS_TIMEOUT_S gets DEADLINE_EXCEEDED with HTTP's message; a caller's own shorter one is kept too."""
    server, port = start_grpc(launch, timeout_s=0.3, max_wait_ms=1000, lame_duck_s=0)
    calls = Calls(port)
    assert calls.refusal(images_request(bars(1))) == (
        Code.DEADLINE_EXCEEDED,
        "no answer within 0.3 s; try again, or send less at once",
    )
    with pytest.raises(grpc.RpcError) as late:
        calls.infer(images_request(bars(1)), timeout=0.05)
    assert late.value.code() == Code.DEADLINE_EXCEEDED
    wait_for(lambda: f'route="{INFER}",status="504"}} 2.0' in httpx.get(server.url + "/metrics", timeout=30).text)


def test_a_full_queue_says_when_to_come_again(launch: StartServer) -> None:
    """UNAVAILABLE, and the wait that clients with retries heed."""
    _, port = start_grpc(launch, max_queue=1, max_wait_ms=1000, lame_duck_s=0)
    data = images_request(bars(1)).SerializeToString()
    asked = [Calls(port).channel.unary_unary(INFER).future(data, timeout=30) for _ in range(5)]
    refusals = [error for error in (one.exception() for one in asked) if error is not None]
    assert 1 <= len(refusals) < len(asked)
    assert refusals[0].code() == Code.UNAVAILABLE
    assert "the queue is full" in refusals[0].details()
    assert dict(refusals[0].trailing_metadata())["grpc-retry-pushback-ms"] == "1000"


def test_a_change_of_the_version_reaches_grpc(launch: StartServer, tmp_path: Path) -> None:
    """After the repository API has loaded another version, gRPC answers by it, in metadata and in answers."""
    models = tmp_path / "models" / "digits"
    for version in ("1", "2"):
        shutil.copytree(load_artifact(SHIPPED_MODEL).folder, models / version)
        manifest = models / version / "manifest.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": version}))
    (models / "serving").write_text("1\n")
    server, port = start_grpc(launch, model=models, repository_api="true", api_key="secret", lame_duck_s=0)
    calls = Calls(port, "secret")
    assert calls.infer(images_request(bars(1))).model_version == "1"
    body = {"parameters": {"version": "2"}}
    key = {"authorization": "Bearer secret"}
    httpx.post(server.url + "/v2/repository/models/digits/load", json=body, headers=key, timeout=30).raise_for_status()
    assert calls.infer(images_request(bars(1))).model_version == "2"
    assert calls.refusal(images_request(bars(1), model_version="1"))[0] == Code.NOT_FOUND
    asked = messages.ModelMetadataRequest(name="digits").SerializeToString()
    metadata = messages.ModelMetadataResponse.FromString(calls.send(INFERENCE + "ModelMetadata", asked))
    assert list(metadata.versions) == ["2"]


def test_without_the_setting_no_grpc_is_loaded(launch: StartServer) -> None:
    """Neither the library nor protobuf's own part for it is in the process: its memory is as before."""
    server = launch(lame_duck_s=0)
    pid = server.process.pid
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert "cygrpc" not in Path(f"/proc/{worker}/maps").read_text()


def test_what_cannot_be_served_stops_the_start_with_one_line(launch: StartServer, tmp_path: Path) -> None:
    """The extra is missing, `bentoml serve`, a port that is taken: the line names the remedy."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'grpc' else found(name, *more)\n"
    )
    listening = launch(lame_duck_s=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hidden))
        missing = launch(OURS, wait=False, grpc_port=50051)
    causes = [
        (missing, "error: DIGITS_GRPC_PORT is set, but grpc cannot be imported; install the extra"),
        (launch(BENTOML, wait=False, grpc_port=50051), "DIGITS_GRPC_PORT is set, but `bentoml serve` opens only one"),
        (
            launch(OURS, wait=False, grpc_port=listening.port),
            f"port {listening.port}: Address already in use; set DIGITS_GRPC_PORT",
        ),
        (launch(OURS, wait=False, grpc_port=0), "error: bad setting: DIGITS_GRPC_PORT='0'"),
    ]
    for server, said in causes:
        assert server.process.wait(START_LIMIT_S) == 1
        assert said in server.log_text()
        assert "Traceback" not in server.log_text()
