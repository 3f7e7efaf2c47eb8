"""Small data and untrained artefacts, so that the training package is tested in seconds and without MNIST."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from training.data.mnist import Digits, load_mnist
from training.network.checkpoint import write_json
from training.network.convnet import ConvNet
from training.publish.export import to_onnx
from training.publish.manifest import build_manifest

REPORT = {"temperature": 1.3, "recipe": {"name": "article"}, "seed": 0, "data": {}, "metrics": {}}


def untrained_net(seed: int = 7) -> ConvNet:
    """Return a network with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return ConvNet().eval()


def stripes(count: int = 400) -> Digits:
    """Return learnable made-up pictures: a bright row at a height that depends on the label, under noise."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(count) % 10
    images = torch.randint(0, 60, (count, 28, 28), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 2 + 2 * labels] = 255
    return Digits(images, labels)


def mnist_test_set() -> Digits:
    """Return the MNIST test set where $DIGITS_DATA has it; otherwise skip the test."""
    folder = os.environ.get("DIGITS_DATA", "")
    if not folder or not (Path(folder) / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists():
        pytest.skip("needs MNIST: set DIGITS_DATA to a folder with MNIST/raw in it")
    return load_mnist(Path(folder), train=False)


def write_artifact(folder: Path, net: ConvNet, temperature: float = 1.3) -> Path:
    """Export a network into a version folder without proving it, as a broken exporter might."""
    folder.mkdir(parents=True)
    content = to_onnx(net, temperature)
    (folder / "model.onnx").write_bytes(content)
    report = REPORT | {"temperature": temperature}
    manifest = build_manifest(content, name="digits", model_version="1", report=report, thresholds={})
    write_json(folder / "manifest.json", manifest)
    return folder
