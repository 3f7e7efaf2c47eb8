"""The manifest of a published model: what the service needs, and how everything in it came about."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from training.data import Digits
from training.export import LAYERS, OPSET
from training.parity import signature

DIGITS = tuple("0123456789")
PACKAGES = ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "numpy")


def build_manifest(
    content: bytes, *, name: str, model_version: str, report: Mapping[str, Any], thresholds: Mapping[str, float | None]
) -> dict[str, Any]:
    """Describe an ONNX file that a finished run (its `run.json` as `report`) was exported to."""
    labels = report.get("labels", DIGITS)
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
        "layers": LAYERS,
        "recipe": report["recipe"],
        "seed": report["seed"],
        "data": report["data"],
        "metrics": report["metrics"],
        "packages": packages(),
        "git_commit": git_commit(),
    }


def describe_data(train: Digits) -> dict[str, Any]:
    """Name the training data by hash, and describe it so that a service can tell when its traffic drifts away.

    Mean ink is the mean pixel in 0..1; its quantiles are taken over pictures.
    """
    ink = train.images.float().mean(dim=(1, 2)).cpu() / 255
    shares = train.labels.bincount(minlength=10).cpu().double() / len(train)
    levels = (0.01, 0.25, 0.5, 0.75, 0.99)
    return {
        "name": "MNIST training set",
        "pictures": len(train),
        "sha256": train.sha256(),
        "statistics": {
            "mean_ink": round(float(ink.mean()), 6),
            "mean_ink_deviation": round(float(ink.std()), 6),
            "mean_ink_quantiles": {str(level): round(float(ink.quantile(level)), 6) for level in levels},
            "class_shares": [round(float(share), 6) for share in shares],
        },
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
