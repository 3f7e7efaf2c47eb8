"""A model of other classes is served unchanged: twelve labels, two of them words, on every route."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from serving import kill_group, start_server

from training.network.checkpoint import write_json
from training.network.convnet import ConvNet, Widths
from training.publish.export import to_onnx
from training.publish.manifest import build_manifest

LABELS = [*"0123456789", "half", "ten"]
REPORT = {"temperature": 1.0, "recipe": {}, "seed": 0, "data": {}, "metrics": {}, "labels": LABELS}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network of twelve classes that answers the last one to everything."""
    folder = tmp_path_factory.mktemp("models") / "numbers" / "1"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    net = ConvNet(Widths(classes=12)).eval()
    net.fc2.bias.data[11] = 9.0
    content = to_onnx(net, 1.0)
    (folder / "model.onnx").write_bytes(content)
    manifest = build_manifest(content, name="numbers", model_version="1", report=REPORT, thresholds={})
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture(scope="module")
def http(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server with that model."""
    server = start_server(tmp_path_factory.mktemp("server"), model=model)
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client
    kill_group(server.process)


def picture() -> bytes:
    """Draw a bar."""
    canvas = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(canvas).line([(50, 20), (50, 80)], 0, 8)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def test_twelve_classes_come_out_of_every_route(http: httpx.Client) -> None:
    """Labels, shapes and names are the manifest's, wherever they are told."""
    answer = http.post("/predict", files={"image": picture()}).raise_for_status().json()
    assert (answer["digit"], len(answer["probabilities"]), answer["model"]["name"]) == ("ten", 12, "numbers")
    batch = http.post("/predict_batch", files=[("images", picture())] * 2).raise_for_status().json()
    assert [each["digit"] for each in batch["predictions"]] == ["ten", "ten"]
    explained = http.post("/explain", files={"image": picture()}).raise_for_status().json()
    assert (explained["prediction"]["digit"], len(explained["probabilities"])) == ("ten", 12)
    rows = http.post("/classify", json={"images": [[[0] * 28] * 28]}).raise_for_status().json()
    assert np.shape(rows) == (1, 12)
    assert 'digits_predictions_total{digit="ten"}' in http.get("/metrics").text
    schema = http.get("/docs.json").json()["components"]["schemas"]["PredictionAnswer"]["properties"]
    assert schema["digit"]["enum"] == [*range(10), "half", "ten", None]


def test_the_open_inference_protocol_says_labels_where_places_are_not_enough(http: httpx.Client) -> None:
    """`digit` is the place, and `label` the word; the metadata names both, with shapes of twelve."""
    outputs = {one["name"]: one for one in http.get("/v2/models/numbers").json()["outputs"]}
    assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [-1]}
    assert outputs["logits"]["shape"] == [-1, 12]
    entry = {"name": "images", "datatype": "UINT8", "shape": [2, 28, 28], "data": [0] * (2 * 784)}
    answer = http.post("/v2/models/numbers/infer", json={"inputs": [entry]}).raise_for_status().json()
    said = {one["name"]: one["data"] for one in answer["outputs"]}
    assert (said["digit"], said["label"]) == ([11, 11], ["ten", "ten"])
