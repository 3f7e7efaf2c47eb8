"""What /metrics tells, scraped from the real service with two workers, by either launcher."""

from __future__ import annotations

import http.client
import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing

import numpy as np
import psutil
import pytest
from PIL import Image
from serving import BENTOML, OURS, ROOT, Server, kill_group, start_server

from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL

LIMIT_S = 30
PICTURES = 20
BLANKS = 3
TENSOR_REQUESTS = 500
DRIFTED = 1000
IMAGES = 2  # all of them are looked at (service.telemetry.metrics.SAMPLED)


@pytest.fixture(scope="module", params=[BENTOML, OURS], ids=["bentoml", "ours"])
def busy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers that have answered PICTURES ones, BLANKS blank ones and TENSOR_REQUESTS × IMAGES full black squares.

    The model is the shipped one, but its training data are said to have been half zeros and half ones, without ink.
    """
    folder = tmp_path_factory.mktemp("metrics")
    shipped = load_artifact(SHIPPED_MODEL)
    manifest = shipped.manifest.model_dump(mode="json")
    manifest["statistics"] = {
        "images": 1000,
        "class_shares": [0.5, 0.5, *[0.0] * 8],
        "ink_edges": [100],
        "ink_shares": [0.9, 0.1],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "model.onnx").write_bytes(shipped.model_bytes)
    server = start_server(folder, request.param, workers=2, model=folder, feedback=folder / "feedback")
    squares = np.full((IMAGES, 28, 28), 255, np.uint8)
    size = {"binary_data_size": squares.size}
    tensor = {"name": "images", "datatype": "UINT8", "shape": squares.shape, "parameters": size}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "digit"}]}).encode()
    octets = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    for body, headers, path, count in (
        (picture(with_stroke=True), {"content-type": "image/png"}, "/predict", PICTURES),
        (picture(with_stroke=False), {"content-type": "image/png"}, "/predict", BLANKS),
        (head + squares.tobytes(), octets, "/v2/models/digits/infer", TENSOR_REQUESTS),
    ):
        for _ in range(count):
            status, text = ask(server, "POST", path, body, headers)
            assert status == http.HTTPStatus.OK, text
    until = time.monotonic() + LIMIT_S
    while drifted(text := scrape(server)) < DRIFTED:  # written within a second
        assert time.monotonic() < until, text
    yield server
    kill_group(server.process)


def picture(*, with_stroke: bool) -> bytes:
    """A PNG, 56 × 56, white, with an upright black stroke or none."""
    image = np.full((56, 56), 255, np.uint8)
    if with_stroke:
        image[8:48, 25:31] = 0
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def series(text: str) -> set[str]:
    """Names and labels of a scrape; without the drift's bins, which are of fixed number and published once a second."""
    late = ("#", "digits_recent_answers")
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith(late)}


def ask(
    server: Server, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Return status and text of an answer over a new connection, so that any of the workers may give it."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def scrape(server: Server) -> str:
    """Read /metrics from any of the workers."""
    return ask(server, "GET", "/metrics")[1]


def total(text: str, name: str, **labels: str) -> float:
    """Add up all series of a sample name that have these labels."""
    values = [
        float(value)
        for found, value in re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
        if all(f'{key}="{wanted}"' in found for key, wanted in labels.items())
    ]
    assert values, f"no {name} {labels} in\n{text}"
    return sum(values)


def drifted(text: str) -> float:
    """Add up the answers that the drift is made of, as far as it has been written at all."""
    return total(text, "digits_recent_answers", of="ink") if "digits_recent_answers{" in text else 0


def test_each_scrape_tells_of_all_workers(busy: Server) -> None:
    """Whichever worker answers the scrape, every answer of both is in it, once."""
    answers = PICTURES + TENSOR_REQUESTS * IMAGES
    for _ in range(10):
        text = scrape(busy)
        assert total(text, "digits_predictions_total") == answers
        assert total(text, "digits_rejections_total", reason="blank") == BLANKS
        assert total(text, "digits_confidence_count") == answers
        assert total(text, "digits_picture_seconds_count") == PICTURES + BLANKS
        assert total(text, "digits_batch_images_sum") == answers + BLANKS
        assert total(text, "digits_run_seconds_count") == total(text, "digits_queue_seconds_count") > 0
        assert total(text, "digits_request_seconds_count", route="/predict", status="200") == PICTURES + BLANKS


def test_every_class_and_reason_is_there_before_it_happens(busy: Server) -> None:
    """A series that starts at 0 lets a rate see the first event."""
    text = scrape(busy)
    for digit in range(10):
        assert total(text, "digits_predictions_total", digit=str(digit)) >= 0
    for reason in ("blank", "several_digits", "not_a_digit", "unsure"):
        assert total(text, "digits_rejections_total", reason=reason) >= 0


def test_model_and_provider_are_told(busy: Server) -> None:
    """A dashboard can show which version answers, and on what."""
    assert total(scrape(busy), "digits_model_info", model="digits", version="1", provider="cpu") == 1


def test_a_scan_of_random_paths_grows_no_series(busy: Server) -> None:
    """What a client writes (path, method, header) never becomes a label value."""
    for method in ("GET", "POST", "DELETE"):
        ask(busy, method, "/no-such-path")
        ask(busy, method, "/predict")
    # A scrape is counted once it is answered, so another worker may not see it yet.
    before = next(text for text in (scrape(busy) for _ in range(50)) if 'route="/metrics"' in text)
    for number in range(50):
        ask(busy, "GET", f"/{number}/x?{number}", headers={"x-request-id": str(number)})
        ask(busy, f"M{number}", "/predict")
    after = scrape(busy)
    assert series(after) - series(before) == set()
    assert total(after, "digits_request_seconds_count", route="other") >= 50


def test_answers_unlike_the_training_data_drift(busy: Server) -> None:
    """A thousand black squares where digits were expected: the number of both workers together says so."""
    text = scrape(busy)
    parts = [total(text, "digits_drift_part", of=of) for of in ("classes", "ink")]
    assert total(text, "digits_drift") == max(parts)
    assert min(parts) > 0.25


def test_a_dead_worker_leaves_its_counts_but_not_its_present(busy: Server) -> None:
    """After a crash the counters go on from where they were, and the drift is that of the living alone."""
    if "bentoml" in busy.process.args:
        pytest.skip("`bentoml serve` leaves a dead worker's gauges in place")
    before = scrape(busy)
    worker = psutil.Process(busy.process.pid).children()[0]
    worker.kill()
    until = time.monotonic() + LIMIT_S
    while total(after := scrape(busy), "digits_recent_answers") >= total(before, "digits_recent_answers"):
        assert time.monotonic() < until, after
    for name in ("digits_predictions_total", "digits_picture_seconds_count", "digits_confidence_count"):
        assert total(after, name) == total(before, name)


def test_every_metric_is_described(busy: Server) -> None:
    """docs/operate.md names each of our metrics, and none that does not exist."""
    exported = set(re.findall(r"^# TYPE (digits_\w+)", scrape(busy), re.MULTILINE))
    described = set(re.findall(r"^\| `(digits_\w+)", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE))
    assert exported == described
