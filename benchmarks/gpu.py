"""The network on a GPU beside the processor of the same machine: parity, latency, batcher, training.

    python -m benchmarks.gpu                       on CUDA, about 75 seconds
    python -m benchmarks.gpu --json gpu.json       every figure into a file too
    python -m benchmarks.gpu --provider cpu        the same steps without a GPU, to try them

Needs `pip install 'digit-service[gpu,train]'` and an NVIDIA driver that knows the CUDA of these wheels; no data and no
network. `--without-training` needs no torch.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.crowd import CROWDS, describe, serve_crowd
from benchmarks.gpu_tables import batcher_table, latency_table, parity_table, start_table, training_table
from benchmarks.table import markdown
from benchmarks.ways import all_ways, differences, latencies, start
from benchmarks.workloads import images as drawn
from service.errors import ServiceError
from service.model.artifact import Artifact, load_artifact
from service.settings import SHIPPED_MODEL
from training.errors import TrainingError

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
ODD_BATCHES = (3, 65, 1000)  # shapes that no power of two hides
RECIPES = ("article", "best")
PACKAGES = ("numpy", "torch", "nvidia-cudnn-cu13", "nvidia-cublas")


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    provider: str
    seconds: float
    batches: tuple[int, ...]
    steps: int
    with_training: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0, or 1 with a sentence where that cannot be done."""
    options = parser().parse_args(arguments)
    steps = 0 if options.without_training else options.steps
    plan = Plan(options.provider, options.seconds, tuple(options.batches), steps, not options.without_training)
    figures: dict[str, Any] = {}
    try:
        for title, lines in measure(load_artifact(SHIPPED_MODEL), plan, figures):
            print(f"{title}:\n\n{markdown(lines)}\n", flush=True)
    except (ServiceError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        if options.json and figures:
            options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--provider", choices=("cuda", "cpu"), default="cuda", help="what to hold against the CPU")
    options.add_argument("--seconds", type=float, default=1.5, help="for each batch size, and each crowd (1.5)")
    options.add_argument("--batches", type=int, nargs="+", default=BATCHES, metavar="N", help="(1 to 4096)")
    options.add_argument("--steps", type=int, default=100, help="of training with each recipe and device (100)")
    options.add_argument("--without-training", action="store_true", help="leave torch out")
    options.add_argument("--json", type=Path, help="write every figure here")
    return options


def measure(artifact: Artifact, plan: Plan, figures: dict[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Measure part by part; gives title and table of each, and adds its figures.

    Raises:
        ProviderError: the provider cannot be had.
        TrainingError: PyTorch sees no GPU.
    """
    sessions = {}
    for name in dict.fromkeys(("cpu", plan.provider)):
        sessions[name], seconds = start(artifact, name, max(plan.batches))
        figures.setdefault("start_s", {})[name] = seconds
    figures["machine"] = machine()
    yield "Machine", [["", ""], *([name, text] for name, text in figures["machine"].items())]
    yield "Start, seconds", start_table(figures["start_s"])
    ways = all_ways(artifact, plan.provider)
    figures["parity"] = differences(ways, [some_images(count) for count in (*plan.batches, *ODD_BATCHES)])
    yield f"Differences to {ways[0].title}", parity_table(figures["parity"])
    figures["latency_s"] = {count: latencies(ways, some_images(count), plan.seconds) for count in plan.batches}
    yield "One call, µs (images in a second)", latency_table(figures["latency_s"])
    most = some_images(max(crowd.images for crowd in CROWDS))
    figures["batcher"] = [
        describe(crowd) | {name: serve_crowd(session, crowd, most, plan.seconds) for name, session in sessions.items()}
        for crowd in CROWDS
    ]
    yield "The batcher", batcher_table(figures["batcher"], list(sessions))
    if plan.with_training:
        from benchmarks.steps import train_steps  # noqa: PLC0415 - torch may be missing

        figures["training"] = {
            recipe: {name: train_steps(recipe, name, plan.steps) for name in sessions} for recipe in RECIPES
        }
        yield f"Training, {plan.steps} steps", training_table(figures["training"])


def some_images(count: int) -> NDArray[np.uint8]:
    """Give `count` images, uint8 [count, 28, 28]: drawn digits and noise by turns."""
    images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    images[::2] = drawn(len(images[::2]))
    return images


def machine() -> dict[str, str]:
    """Name the card, the driver, the processor and the versions; call it after a session was opened."""
    import onnxruntime  # noqa: PLC0415 - of its two builds, that of the sessions

    found = {"processor": _processor(), "system": platform.platform(), "Python": platform.python_version()}
    found["onnxruntime"] = f"{onnxruntime.__version__}, {', '.join(onnxruntime.get_available_providers())}"
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        card = "none"
    return {"card, driver, memory": card} | found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} threads" if names else platform.processor()


if __name__ == "__main__":
    sys.exit(main())
