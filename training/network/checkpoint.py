"""What a run leaves in its folder: safetensors for numbers, JSON for people, each replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from training.errors import CheckpointError
from training.network.convnet import ConvNet, Widths

WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.safetensors"
REPORT: Final = "run.json"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able note as one safetensors file; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, temporary, metadata={"note": json.dumps(note, sort_keys=True)})
    temporary.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, as (tensors on the CPU, note).

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            note: dict[str, Any] = json.loads((file.metadata() or {}).get("note", "{}"))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"cannot read {path} ({error}); expected a file that `python -m training train` wrote: run it first, "
            "or name another folder with --run."
        ) from error
    return tensors, note


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON; a reader sees the old file or the new one."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_report(run: Path) -> dict[str, Any]:
    """Read a finished run's `run.json`: recipe, seed, history, metrics.

    Raises:
        CheckpointError: the run never finished.
    """
    try:
        report: dict[str, Any] = json.loads((run / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read {run / REPORT} ({error}); expected the report of a finished run: "
            "run `python -m training train`, with --resume to finish an interrupted one."
        ) from error
    return report


def load_network(run: Path) -> ConvNet:
    """Load the trained network of a run, on the CPU and in evaluation mode.

    Raises:
        CheckpointError: its weights are missing, damaged or of another network.
    """
    tensors, _ = read_tensors(run / WEIGHTS)
    return network_with(tensors, source=str(run / WEIGHTS))


def network_with(tensors: Mapping[str, Tensor], *, source: str) -> ConvNet:
    """Build the network from named weights, as wide as they are.

    Raises:
        CheckpointError: a name or shape differs from the network's.
    """
    layers = ("conv1", "conv2", "fc1", "fc2")
    found = [len(tensors[f"{layer}.bias"]) for layer in layers if f"{layer}.bias" in tensors]
    with torch.random.fork_rng(devices=[]):  # initial weights are thrown away: leave the caller's generator alone
        net = ConvNet(Widths(*found))
    try:
        net.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise CheckpointError(f"{source} does not hold this network's weights: {error}") from error
    return net.eval()
