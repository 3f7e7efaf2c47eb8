"""What the exporter promises: the same bytes again, nothing of this machine inside, nothing published unproved."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from samples import REPORT, untrained_net

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from training.errors import CheckpointError, ExportError, ParityError
from training.judge.measure import measure
from training.network.checkpoint import write_json, write_tensors
from training.publish import export, publish


@pytest.fixture(scope="module")
def content() -> bytes:
    """Export one untrained network."""
    return export.to_onnx(untrained_net(), 1.3)


def finished_run(folder: Path) -> Path:
    """Write what a finished run leaves behind, around untrained weights."""
    write_tensors(folder / "weights.safetensors", untrained_net().state_dict(), {})
    metrics = vars(measure(torch.eye(10), torch.arange(10))) | {"reliability": []}
    write_json(folder / "run.json", REPORT | {"thresholds": {}, "metrics": {"test": metrics}})
    return folder


def test_two_exports_of_one_checkpoint_are_the_same_bytes(content: bytes) -> None:
    """Nothing random, dated or counted gets into the file."""
    assert export.to_onnx(copy.deepcopy(untrained_net()), 1.3) == content


def test_the_file_is_one_small_file_without_traces_of_this_machine(content: bytes) -> None:
    """No metadata, no paths, no external data, under 120 KB."""
    model = onnx.load_from_string(content)
    parts = [model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output]
    assert not any(part.metadata_props for part in parts)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert str(Path(__file__).parents[3]).encode() not in content
    assert len(content) < 120_000


def test_the_graph_reads_like_the_network(content: bytes) -> None:
    """Nodes and tensors have the names that the manifest's layers and PyTorch's weights use."""
    graph = onnx.load_from_string(content).graph
    assert [node.name for node in graph.node] == [name for _, name in export.NODES]
    assert set(export.LAYERS.values()) <= {node.output[0] for node in graph.node}
    assert set(untrained_net().state_dict()) <= {tensor.name for tensor in graph.initializer}
    assert [tensor.name for tensor in graph.input] == ["images"]
    assert [tensor.name for tensor in graph.output] == ["logits", "probabilities"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_publishing_writes_model_manifest_and_card(tmp_path: Path) -> None:
    """The published folder is what the service opens, with its parity report inside."""
    target = tmp_path / "models" / "digits" / "1"
    publish.publish(finished_run(tmp_path / "run"), target, None)
    artifact = load_artifact(target)
    assert DigitSession(artifact, "cpu").run(np.zeros((3, 28, 28), np.uint8)).logits.shape == (3, 10)
    assert artifact.manifest.model_extra is not None
    assert artifact.manifest.model_extra["parity"]["providers"][0]["provider"] == "cpu"
    assert sorted(path.name for path in target.iterdir()) >= ["README.md", "manifest.json", "model.onnx"]
    assert [path.name for path in target.parent.iterdir()] == ["1"]


def test_a_failed_parity_leaves_the_published_model_untouched(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is served is never replaced by something unproved, and nothing half-made is left beside it."""
    target, run = tmp_path / "digits" / "1", finished_run(tmp_path / "run")
    monkeypatch.setattr(publish, "to_onnx", lambda *_: content)
    publish.publish(run, target, None)
    before = {path.name: path.read_bytes() for path in target.iterdir()}

    model = onnx.load_from_string(content)
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "fc2.bias")
    bias.raw_data = (numpy_helper.to_array(bias) * np.float32(1.01)).tobytes()
    monkeypatch.setattr(publish, "to_onnx", lambda *_: model.SerializeToString())
    with pytest.raises(ParityError):
        publish.publish(run, target, None)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in target.parent.iterdir()] == ["1"]


def test_an_unfinished_run_is_not_exported(tmp_path: Path) -> None:
    """Without its report there are no metrics to publish; the error says how to get them."""
    write_tensors(tmp_path / "weights.safetensors", untrained_net().state_dict(), {})
    with pytest.raises(CheckpointError, match="--resume"):
        publish.publish(tmp_path, tmp_path / "digits" / "1", None)


def test_a_network_without_temperature_is_exported_and_an_oversized_one_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exporter drops a division by 1, which is no other graph; a file larger than promised is an error."""
    monkeypatch.setattr(export, "MAX_BYTES", 80_000)
    with pytest.raises(ExportError, match="at most 80000"):
        export.to_onnx(untrained_net(), 1.0)
