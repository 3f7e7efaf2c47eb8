"""Steps of training on a device, on made-up pictures: how long one takes does not hang on what they show."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch

from training.data.mnist import TRAIN_IMAGES, Digits
from training.errors import TrainingError
from training.learn.precision import number_format
from training.learn.recipes import recipe_named
from training.learn.runner import choose_device
from training.learn.train import be_deterministic, start, train_epoch

WARM_STEPS = 10


def train_steps(recipe_name: str, device_name: str, steps: int) -> dict[str, float | str]:
    """Train a recipe for so many steps, after some that warm up, as `training train` does.

    Gives seconds of a step in the mean, pictures in a second, seconds of an epoch of MNIST's 60,000, the number format
    of the convolutions, and the mean loss, which is near on all devices.

    Raises:
        TrainingError: the device cannot be had, or the loss is no number.
    """
    be_deterministic()
    device = choose_device(device_name)
    recipe = replace(recipe_named(recipe_name), epochs=2)  # the warm-up and the measured one
    pictures = _made_up(recipe.batch_size * steps).to(device)
    run = start(recipe, 0, device)
    train_epoch(run, recipe, 0, pictures[: recipe.batch_size * min(steps, WARM_STEPS)])
    _wait_for(device)
    began = time.perf_counter()
    train_epoch(run, recipe, 0, pictures)
    _wait_for(device)
    seconds = time.perf_counter() - began
    loss = run.history[-1]["loss"]
    if not math.isfinite(loss):
        raise TrainingError(f"training {recipe_name} on {device_name} gave a loss of {loss}, expected a number")
    per_s = len(pictures) / seconds
    return {
        "step_s": seconds / steps,
        "per_s": per_s,
        "epoch_s": TRAIN_IMAGES / per_s,
        "format": number_format(device, bfloat16=recipe.bfloat16),
        "loss": loss,
    }


def _made_up(count: int) -> Digits:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return Digits(torch.randint(0, 256, (count, 28, 28), generator=generator, dtype=torch.uint8), labels)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
