"""What one fine-tuning was made of, and what is written of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from service.model.artifact import Artifact
from service.model.session import DigitSession
from service.recognition.second_look import look_twice
from training.data.collection import Example
from training.data.mnist import Digits, describe_data
from training.data.parts import Parts
from training.judge.measure import fit_temperature, logits_of, measure, served_logits
from training.judge.refit import refit_energy
from training.learn.adapt import Adaptation, Adapted
from training.publish.old_task import OldTask


@dataclass(frozen=True)
class Lesson:
    """A base version, what it was taught, what it must not forget, and the network that came out."""

    base: Artifact
    before: DigitSession
    parts: Parts
    old: OldTask | None
    labels: list[str]
    adapted: Adapted


def to_digits(examples: Sequence[Example], labels: Sequence[str]) -> Digits:
    """Return examples as tensors; labels are their places in `labels`, and its length for what shows no digit."""
    images = torch.from_numpy(np.stack([example.image for example in examples]))
    places = {label: place for place, label in enumerate(labels)}
    return Digits(images, torch.tensor([places.get(example.label, len(places)) for example in examples]))


def report_of(lesson: Lesson, how: Adaptation, taught: dict[str, Any]) -> dict[str, Any]:
    """Write what the manifest holds: counts and hashes of the pictures, and nothing else of them."""
    net, old = lesson.adapted.net, lesson.old
    temperature, metrics = _temperature(lesson), {}
    if old is not None:
        metrics["test"] = asdict(measure(served_logits(net, old.test, temperature), old.test.labels))
    held_back = _digits_alone(lesson, lesson.parts.held_back)
    if held_back is not None:
        metrics["held_back"] = asdict(measure(served_logits(net, held_back, temperature), held_back.labels))
    parts = {"train": lesson.parts.train, "validation": lesson.parts.validation, "held_back": lesson.parts.held_back}
    manifest = lesson.base.manifest
    return {
        "recipe": {
            "name": "finetune",
            **asdict(how),
            "best_epoch": lesson.adapted.best_epoch,
            "share": lesson.adapted.share,
        },
        "seed": how.seed,
        "labels": lesson.labels,
        "temperature": temperature,
        "thresholds": {**manifest.thresholds.model_dump(), "max_energy": _max_energy(lesson, temperature)},
        "digit_odds": manifest.digit_odds.model_dump() if manifest.digit_odds else None,
        "data": {
            "base": {"version": manifest.version, "sha256": manifest.sha256},
            "pictures": {**taught, "parts": {name: len(part) for name, part in parts.items()}},
            "replay": describe_data(old.replay) if old else None,
        },
        "metrics": metrics,
        "history": lesson.adapted.history,
    }


def _temperature(lesson: Lesson) -> float:
    """Fit the temperature on digits.

    It stays where there is no MNIST, because it needs more than a small folder has, and where it was fitted on real
    hands together with the odds of a digit, which hold for that temperature alone.
    """
    manifest = lesson.base.manifest
    if lesson.old is None or manifest.digit_odds is not None:
        return manifest.temperature
    mine = _digits_alone(lesson, lesson.parts.validation)
    both = [part for part in (mine, lesson.old.validation) if part is not None]
    logits = torch.cat([logits_of(lesson.adapted.net, part) for part in both])
    return fit_temperature(logits, torch.cat([part.labels for part in both]))


def _max_energy(lesson: Lesson, temperature: float) -> float | None:
    """Fit the threshold so that pictures without a digit are rejected as often as before."""
    manifest = lesson.base.manifest
    if lesson.old is None or manifest.thresholds.max_energy is None:
        return manifest.thresholds.max_energy
    images = lesson.old.others
    before = torch.from_numpy(look_twice(lesson.before.run, images.numpy()).logits)
    after = served_logits(lesson.adapted.net, Digits(images, torch.zeros(len(images))), temperature)
    return refit_energy(before, after, manifest)


def _digits_alone(lesson: Lesson, examples: Sequence[Example]) -> Digits | None:
    labelled = [example for example in examples if example.label in lesson.labels]
    return to_digits(labelled, lesson.labels) if labelled else None
