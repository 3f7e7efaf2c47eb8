"""Train one network by one recipe. Can be interrupted between epochs; the same seed gives the same weights."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.mnist import Digits
from training.errors import CheckpointError
from training.learn.augment import augment
from training.learn.precision import number_format
from training.learn.recipes import Recipe
from training.network.checkpoint import STATE, WEIGHTS, read_tensors, write_tensors
from training.network.convnet import ConvNet, normalise
from training.network.expand import expand

logger = logging.getLogger(__name__)

# Each epoch draws from its own generator, seeded by run and epoch, so a resumed run draws what it would have drawn.
EPOCH_SEED_STRIDE: Final = 1_000_003

# Told (pictures done, loss, accuracy) after each batch.
Progress = Callable[[int, float, float], None]


@dataclass
class Run:
    """The state of a training run between two epochs: all that is needed to resume."""

    net: ConvNet  # its weights may be products of larger ones (see `expand`)
    averaged: ConvNet
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def be_deterministic() -> None:
    """Make PyTorch refuse operations that may give other weights from the same seed; on CUDA, call it first."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as PyTorch's notes on reproducibility ask
    torch.use_deterministic_algorithms(mode=True)


def start(recipe: Recipe, seed: int, device: torch.device) -> Run:
    """Start a run: weights drawn from the seed, nothing learnt yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = ConvNet()
        averaged = copy.deepcopy(net).to(device).to(memory_format=torch.channels_last)
        if recipe.expansion:
            expand(net, recipe.expansion)
    net = net.to(device).to(memory_format=torch.channels_last)
    return Run(net=net, averaged=averaged, optimizer=_optimizer(recipe, net))


def train_epoch(run: Run, recipe: Recipe, seed: int, digits: Digits, progress: Progress | None = None) -> None:
    """Go once through the training pictures, and add the epoch's mean loss and accuracy to the history."""
    device = digits.images.device
    generator = torch.Generator(device=device).manual_seed(seed * EPOCH_SEED_STRIDE + run.epoch)
    order = torch.randperm(len(digits), generator=generator, device=device)
    batches = max(1, len(digits) // recipe.batch_size)  # the rest of an uneven split sits this epoch out
    steps = recipe.epochs * batches
    half = number_format(device, bfloat16=recipe.bfloat16) == "bfloat16"
    run.net.train()
    total_loss = total_right = 0.0
    for batch in range(batches):
        chosen = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
        labels = digits.labels[chosen]
        for group in run.optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(run.epoch * batches + batch, steps)
        images = _prepare(digits.images[chosen], recipe, generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = run.net(images)
        logits = with_none(logits.float()) if recipe.pool else logits
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
        _average(run, recipe, run.epoch * batches + batch)
        total_loss += float(loss.detach())
        total_right += float((logits.argmax(dim=1) == labels).float().mean())
        if progress is not None:
            progress(len(chosen), total_loss / (batch + 1), total_right / (batch + 1))
    run.epoch += 1
    run.history.append({"epoch": run.epoch, "loss": total_loss / batches, "accuracy": total_right / batches})


def with_none(logits: Tensor) -> Tensor:
    """Append the logit 0 of "no digit" to logits `[N, 10]`, so that softmax also says how likely none of them is.

    It costs no weight: P(no digit) = 1 / (1 + sum exp(logit)) is the sigmoid of the free energy that the service judges
    by, so training on pictures without a digit teaches exactly that energy.
    """
    return torch.cat([logits, logits.new_zeros(len(logits), 1)], dim=1)


def save(run: Run, recipe: Recipe, seed: int, folder: Path) -> None:
    """Write the weights to use and the state to resume from."""
    note = {"recipe": asdict(recipe), "seed": seed, "epoch": run.epoch, "history": run.history}
    tensors = {f"net.{name}": value for name, value in run.net.state_dict().items()}
    tensors |= {f"averaged.{name}": value for name, value in run.averaged.state_dict().items()}
    for index, state in run.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items() if value is not None}
    write_tensors(folder / WEIGHTS, run.averaged.state_dict(), note)
    write_tensors(folder / STATE, tensors, note)


def resume(recipe: Recipe, seed: int, folder: Path, device: torch.device) -> Run:
    """Continue the run that a folder holds.

    Raises:
        CheckpointError: there is none, or it is of another recipe or seed.
    """
    tensors, note = read_tensors(folder / STATE)
    wanted = {"recipe": asdict(recipe), "seed": seed}
    for key, value in wanted.items():
        if note.get(key) != value:
            raise CheckpointError(
                f"{folder / STATE} was made with {key} {note.get(key)!r}, expected {value!r}: "
                "resume with the same settings, or start anew without --resume."
            )
    run = start(recipe, seed, device)
    run.net.load_state_dict(_below("net.", tensors))
    run.averaged.load_state_dict(_below("averaged.", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    parameters = list(run.net.parameters())
    for name, value in _below("optimizer.", tensors).items():
        index, key = name.split(".")
        like = parameters[int(index)]  # the fused step walks memory, so its state must be laid out as the weights are
        laid_out = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state.setdefault(int(index), {})[key] = laid_out
    run.optimizer.load_state_dict({**run.optimizer.state_dict(), "state": state})
    run.epoch, run.history = int(note["epoch"]), list(note["history"])
    return run


def _prepare(images_u8: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    if recipe.augmentation is None:
        images = normalise(images_u8)
    else:
        images = augment(images_u8.unsqueeze(1).float() / 255, recipe.augmentation, generator) * 2 - 1
    return images.contiguous(memory_format=torch.channels_last)


def _optimizer(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            net.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)


@torch.no_grad()
def _average(run: Run, recipe: Recipe, step: int) -> None:
    """Move the averaged weights towards the current ones; early steps move further, to forget the random start."""
    decay = min(recipe.average_decay, (1 + step) / (10 + step))
    for name, averaged in run.averaged.named_parameters():
        layer, _, kind = name.rpartition(".")
        averaged.lerp_(getattr(run.net.get_submodule(layer), kind), 1 - decay)


def _below(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
