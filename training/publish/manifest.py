"""The manifest of a published model: what the service needs, and how everything in it came about."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from service import __version__
from training.data.mnist import DIGITS
from training.publish.answers import signature
from training.publish.export import LAYERS, OPSET

PACKAGES: Final = ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "numpy")


def build_manifest(
    content: bytes, *, name: str, model_version: str, report: Mapping[str, Any], thresholds: Mapping[str, float | None]
) -> dict[str, Any]:
    """Describe an ONNX file that a finished run (its `run.json` as `report`) was exported to."""
    labels = report.get("labels", DIGITS)
    data = dict(report["data"])
    return {
        "name": name,
        "version": model_version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "opset": OPSET,
        **{
            kind: [{"name": tensor, "datatype": datatype, "shape": list(shape)} for tensor, datatype, shape in tensors]
            for kind, tensors in signature(len(labels)).items()
        },
        "labels": list(labels),
        "temperature": report["temperature"],
        "thresholds": dict(thresholds),
        "digit_odds": report.get("digit_odds"),
        "layers": LAYERS,
        "recipe": report["recipe"],
        "seed": report["seed"],
        "number_format": report.get("number_format"),
        "statistics": data.pop("distribution", None),
        "data": data,
        "metrics": report["metrics"],
        "release": __version__,
        "packages": packages(),
        "git_commit": git_commit(),
    }


def packages() -> dict[str, str]:
    """Return the versions that this model came from."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def git_commit() -> str | None:
    """Return the commit of the working tree, or None outside a repository."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
