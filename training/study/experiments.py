"""One experiment: networks of the same size under the same recipe, several seeds each, in one table."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import torch
from torch import Tensor, nn

from service.model.artifact import Artifact
from training.data.mnist import Digits, load_mnist, split
from training.judge.measure import logits_of, measure
from training.learn.augment import Augmentation
from training.learn.recipes import Recipe
from training.learn.train import Run, train_epoch
from training.network.checkpoint import write_json
from training.network.convnet import count_parameters
from training.study.cells import CELLS
from training.study.cost import as_artifact, cost_of

logger = logging.getLogger(__name__)

# Enough to tell networks apart, not to bring one to its best: 20,000 pictures, 8 epochs.
SHORT: Final = Recipe(
    name="short",
    epochs=8,
    batch_size=256,
    optimizer="adamw",
    learning_rate=0.008,
    weight_decay=0.01,
    schedule="one_cycle",
    average_decay=0.99,
    bfloat16=True,
    augmentation=Augmentation(rotate_degrees=10, scale=0.1, shear=0.1, shift_pixels=1, elastic_pixels=1),
)
PICTURES: Final = 20_000
RESULTS: Final = "results.json"


@dataclass(frozen=True)
class Trained:
    """What one network made of one seed: accuracies in 0..1, on MNIST's validation and test pictures."""

    cell: str
    seed: int
    parameters: int
    multiplications: int
    validation: float
    test: float


def compare_cells(seeds: Sequence[int], data: Path, folder: Path, recipe: Recipe = SHORT) -> list[Trained]:
    """Train each network with each seed; what `folder` has already is not trained again."""
    training, validation = split(load_mnist(data, train=True), 5_000)
    training, test = training[:PICTURES], load_mnist(data, train=False)
    path = folder / RESULTS
    head = {"recipe": asdict(recipe), "pictures": PICTURES}
    done = _read(path, head)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        for name, build in CELLS.items():
            if any((each.cell, each.seed) == (name, seed) for each in done):
                continue
            net = train_cell(build, recipe, seed, training)
            right = [measure(logits_of(net, part), part.labels).accuracy for part in (validation, test)]  # type: ignore[arg-type]
            done.append(Trained(name, seed, count_parameters(net), multiplications(net), *right))
            logger.info("%s, seed %d: %.2f %% on the test set", name, seed, 100 * right[1])
            write_json(path, {**head, "runs": [asdict(each) for each in done]})
    return done


def _read(path: Path, head: dict[str, Any]) -> list[Trained]:
    """Return what was trained before, unless by another recipe or on other pictures."""
    if not path.exists():
        return []
    before = json.loads(path.read_text())
    if any(before.get(key) != value for key, value in json.loads(json.dumps(head)).items()):
        logger.info("%s is of another recipe; all networks are trained anew", path)
        return []
    return [Trained(**each) for each in before["runs"]]


def train_cell(build: Callable[[], nn.Module], recipe: Recipe, seed: int, training: Digits) -> nn.Module:
    """Train one network and return its averaged weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    run = Run(net=net, averaged=copy.deepcopy(net), optimizer=optimizer)  # type: ignore[arg-type]
    for _ in range(recipe.epochs):
        train_epoch(run, recipe, seed, training)
    return run.averaged


def multiplications(net: nn.Module) -> int:
    """Count the multiplications of convolutions and affine layers for one picture."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += out[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += layer.weight.numel()

    handles = [layer.register_forward_hook(count) for layer in net.modules()]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 1, 28, 28))
    for handle in handles:
        handle.remove()
    return total


def table(trained: Sequence[Trained], like: Artifact) -> str:
    """Return the experiment as a Markdown table, with what serving each network costs; `like` is the shipped model."""
    rows = [
        "| network | weights | multiplications | MNIST test, mean ± s | alone, µs | of 64, µs | CPU s per million |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, build in CELLS.items():
        runs = [each for each in trained if each.cell == name]
        if not runs:
            continue
        right = [100 * each.test for each in runs]
        spread = stdev(right) if len(right) > 1 else 0.0
        cost = cost_of(as_artifact(build(), replace(like)))
        rows.append(
            f"| {name} | {runs[0].parameters:,} | {runs[0].multiplications:,} | {mean(right):.2f} ± {spread:.2f} % "
            f"| {cost.single_us:.0f} | {cost.batch_us:.1f} | {cost.cpu_s:.0f} |"
        )
    return "\n".join(rows)
