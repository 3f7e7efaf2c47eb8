"""Publish a run as `models/<name>/<version>/`: exported beside it, proved, and only then moved into place."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.model.artifact import MANIFEST_FILE, MODEL_FILE, load_artifact
from training.data.mnist import Digits
from training.judge.plots import RELIABILITY
from training.network.checkpoint import load_network, read_report, write_json
from training.publish.card import write_card
from training.publish.export import to_onnx
from training.publish.manifest import build_manifest
from training.publish.parity import climb


def publish(run: Path, target: Path, digits: Digits | None) -> dict[str, Any]:
    """Export a run's network to a version folder and return its manifest.

    `digits` are real pictures to prove parity on. Nothing at `target` changes unless every rung holds.

    Raises:
        TrainingError: the run is unfinished, the graph is not the expected one, or parity failed.
    """
    report = read_report(run)
    net = load_network(run)
    content = to_onnx(net, report["temperature"])
    thresholds: Mapping[str, float | None] = report.get("thresholds", {})
    manifest = build_manifest(
        content, name=target.parent.name, model_version=target.name, report=report, thresholds=thresholds
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as temporary:
        folder = Path(temporary) / target.name
        folder.mkdir()
        (folder / MODEL_FILE).write_bytes(content)
        write_json(folder / MANIFEST_FILE, manifest)
        parity = climb(net, report["temperature"], load_artifact(folder), digits)
        manifest["parity"] = parity.to_json()
        write_json(folder / MANIFEST_FILE, manifest)
        if (run / RELIABILITY).exists():
            shutil.copyfile(run / RELIABILITY, folder / RELIABILITY)
        write_card(folder, manifest)
        if target.exists():
            shutil.move(target, Path(temporary) / "old")
        folder.rename(target)
    return manifest
