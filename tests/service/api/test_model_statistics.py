"""Triton's statistics, configuration and index: what their clients read, with one worker and with two."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import Server, kill_group, start_server, wait_for

MODEL = "/v2/models/digits"
WORKERS = [1, 2]


@pytest.fixture(scope="module", params=WORKERS)
def counting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the test's own, with one worker or two."""
    server = start_server(tmp_path_factory.mktemp("statistics"), workers=request.param, max_wait_ms=0.25)
    yield server
    kill_group(server.process)


def tensor(count: int) -> dict[str, Any]:
    """A JSON request of so many images."""
    images = np.zeros((count, 28, 28), np.uint8)
    data = images.ravel().tolist()
    return {"inputs": [{"name": "images", "datatype": "UINT8", "shape": images.shape, "data": data}]}


def statistics(server: Server, path: str = f"{MODEL}/stats") -> dict[str, Any]:
    """Ask once, on a connection of its own: any worker may answer."""
    (one,) = httpx.get(server.url + path).raise_for_status().json()["model_stats"]
    counts: dict[str, Any] = one
    return counts


def test_statistics_are_of_all_workers_and_grow_by_what_was_asked(counting: Server) -> None:
    """20 requests of 3 images, a bad one and a picture: each worker tells the same counts, of the same version."""
    began = time.time()
    before = statistics(counting)
    for _ in range(20):
        httpx.post(f"{counting.url}{MODEL}/infer", json=tensor(3)).raise_for_status()
    assert httpx.post(f"{counting.url}{MODEL}/infer", json={}).status_code == 400
    file = io.BytesIO()
    Image.new("L", (28, 28)).save(file, "PNG")
    httpx.post(f"{counting.url}/predict", content=file.getvalue()).raise_for_status()

    def grown(*path: str) -> int:
        after, first = statistics(counting), before
        for name in path:
            after, first = after[name], first[name]
        return int(after) - int(first)  # type: ignore[call-overload]

    wait_for(lambda: grown("inference_stats", "success", "count") == 21)  # counted after the answer is sent
    wait_for(lambda: grown("inference_stats", "fail", "count") == 1)
    assert grown("inference_count") >= 60
    assert 20 <= grown("execution_count") <= 30
    for part in ("queue", "compute_infer"):
        assert grown("inference_stats", part, "count") == grown("execution_count")
    assert grown("inference_stats", "compute_infer", "ns") > 0
    assert grown("inference_stats", "compute_input", "count") == 1
    for path in ("/v2/models/stats", f"{MODEL}/versions/1/stats"):
        for _ in range(8):  # some for each worker
            one = statistics(counting, path)
            assert (one["name"], one["version"], one["batch_stats"]) == ("digits", "1", [])
            assert one["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 21
            assert began - 1 <= one["last_inference"] / 1000 <= time.time() + 1


def test_the_configuration_says_what_the_settings_say(counting: Server) -> None:
    """Batch, delay and processes; the shapes are those of the metadata without the number of images."""
    config = httpx.get(f"{counting.url}{MODEL}/config").json()
    assert config == httpx.get(f"{counting.url}{MODEL}/versions/1/config").json()
    assert (config["name"], config["backend"], config["max_batch_size"]) == ("digits", "onnxruntime", 64)
    assert config["dynamic_batching"] == {"max_queue_delay_microseconds": 250}
    assert config["instance_group"][0]["count"] in WORKERS
    assert [(one["name"], one["data_type"], one["dims"]) for one in config["input"]] == [
        ("images", "TYPE_UINT8", [28, 28]),
        ("pictures", "TYPE_STRING", [1]),
    ]


def test_the_index_is_read_without_write_access(counting: Server) -> None:
    """As Triton's client asks (an empty body), and for what is ready alone."""
    index = httpx.post(f"{counting.url}/v2/repository/index").json()
    assert index == [{"name": "digits", "version": "1", "state": "READY", "reason": ""}]
    assert httpx.post(f"{counting.url}/v2/repository/index", json={"ready": True}).json() == index
    for body in (b"{", b"[]", b'{"ready": 1}'):
        assert httpx.post(f"{counting.url}/v2/repository/index", content=body).status_code == 400


def test_the_requests_of_perf_analyzer_are_answered(counting: Server) -> None:
    """In its order, as its source has them: readiness, metadata, configuration, and statistics around binary infers."""
    with httpx.Client(base_url=counting.url) as client:
        assert client.get(f"{MODEL}/ready").status_code == 200
        assert "statistics" in client.get("/v2").json()["extensions"]
        shape = client.get(MODEL).json()["inputs"][0]["shape"]
        config = client.get(f"{MODEL}/config").json()
        assert shape == [-1, *config["input"][0]["dims"]]  # a batch dimension, as max_batch_size is not 0
        assert config["max_batch_size"] > 0
        assert not config["model_transaction_policy"]["decoupled"]
        wanted = [{"name": output["name"], "parameters": {"binary_data": True}} for output in config["output"]]
        head: dict[str, Any] = {
            "id": "0",
            "inputs": [
                {"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": {"binary_data_size": 784}}
            ],
            "outputs": wanted,
        }
        text = json.dumps(head).encode()
        headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
        for _ in range(3):
            assert client.get(f"{MODEL}/stats").status_code == 200
            answer = client.post(f"{MODEL}/infer", content=text + bytes(784), headers=headers)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/v2/systemsharedmemory/status", "system shared memory"),
        ("POST", "/v2/systemsharedmemory/region/a/register", "system shared memory"),
        ("POST", "/v2/cudasharedmemory/unregister", "CUDA shared memory"),
        ("GET", "/v2/cudasharedmemory/region/a/status", "CUDA shared memory"),
        ("POST", "/v2/trace/setting", "trace settings: set DIGITS_TRACING"),
        ("GET", "/v2/models/digits/trace/setting", "trace settings"),
        ("GET", "/v2/logging", "log settings: set DIGITS_LOG_FORMAT"),
        ("POST", "/v2/repository/models/digits/load", "loading a model: set DIGITS_REPOSITORY_API"),
        ("POST", "/v2/repository/models/digits/unload", "unloading a model"),
    ],
)
def test_what_triton_has_and_this_does_not_is_refused_by_name(
    server: Server, method: str, path: str, said: str
) -> None:
    """400 with the name and what to do instead, in the form that its clients read."""
    answer = httpx.request(method, server.url + path)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_refusal_needs_the_key_too(locked: Server) -> None:
    """Without a key nothing is told, not even what there is not."""
    assert httpx.get(f"{locked.url}/v2/logging").status_code == 401
