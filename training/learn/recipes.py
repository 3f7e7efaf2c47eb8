"""The recipes: every number of a training run in one frozen dataclass, which is also what the manifest records."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from training.errors import TrainingError
from training.learn.augment import Augmentation
from training.synth.mixture import HandsPlan
from training.synth.pool import PoolPlan


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are the article's."""

    name: str
    epochs: int = 10
    batch_size: int = 100
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = 0.001  # the peak, if the schedule moves it
    momentum: float = 0.9  # of SGD; AdamW keeps its own betas
    weight_decay: float = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warmup: float = 0.2  # share of the steps that one_cycle climbs
    label_smoothing: float = 0.0
    expansion: int = 0  # train on products of so many times the channels in place of the weights; 0 on the weights
    average_decay: float = 0.0  # exponential moving average of the weights, per step; 0 keeps the last weights
    bfloat16: bool = False  # convolutions in half the bits, where the processor multiplies them (see `precision`)
    augmentation: Augmentation | None = None
    pool: PoolPlan | None = None  # synthetic pictures to train on beside MNIST, with some that show no digit
    hands: HandsPlan | None = None  # pictures of real handwriting beside them
    validation_images: int = 0  # held out from the training set

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of one step of `steps`: constant, or a line up and half a cosine down to 0.

        Source: Smith and Topin 2018, "Super-Convergence".
        """
        if self.schedule == "constant":
            return self.learning_rate
        done = (step + 0.5) / steps
        if done < self.warmup:
            return self.learning_rate * done / self.warmup
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (1 - self.warmup)))


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="article"),
        Recipe(
            name="best",
            epochs=34,
            batch_size=256,
            optimizer="adamw",
            learning_rate=0.004,
            weight_decay=0.01,
            schedule="one_cycle",
            expansion=4,
            average_decay=0.999,
            bfloat16=True,
            augmentation=Augmentation(),
            pool=PoolPlan(photo=250, canvas=250, form=400, tight=800, hard=250, other=500),
            hands=HandsPlan(
                unipen_digits=3.0,
                swiss=1.5,
                usps=1.0,
                optdigits=2.0,
                unipen_signs=2.5,
                omniglot=3.0,
                icons=2.0,
                doodles=2.0,
                patches=5.0,
            ),
            validation_images=5_000,
        ),
    )
}


def recipe_named(name: str) -> Recipe:
    """Return a recipe.

    Raises:
        TrainingError: there is none of that name.
    """
    if name not in RECIPES:
        raise TrainingError(f"no recipe is named {name!r}; choose one of {', '.join(sorted(RECIPES))}.")
    return RECIPES[name]
