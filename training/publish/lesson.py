"""What one fine-tuning was made of, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from service.model.artifact import Artifact, DigitOdds
from service.model.session import DigitSession, Outputs
from service.recognition.second_look import look_twice
from training.data.collection import Example
from training.data.mnist import Digits, describe_data
from training.data.parts import Parts
from training.judge.measure import fit_temperature, logits_of, measure, runner_of, served_logits
from training.judge.refit import ENOUGH, Looked, refit_energy, refit_odds
from training.learn.adapt import Adaptation, Adapted
from training.publish.old_task import OldTask
from training.publish.parity import network_in


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
    fitted, metrics = _fit(lesson), {}
    if old is not None:
        metrics["test"] = asdict(measure(served_logits(net, old.test, fitted.temperature), old.test.labels))
    held_back = _digits_alone(lesson, lesson.parts.held_back)
    if held_back is not None:
        metrics["held_back"] = asdict(measure(served_logits(net, held_back, fitted.temperature), held_back.labels))
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
        "temperature": fitted.temperature,
        "thresholds": {**manifest.thresholds.model_dump(), "max_energy": fitted.max_energy},
        "digit_odds": fitted.odds.model_dump() if fitted.odds else None,
        "refitted": _refitted(lesson),
        "data": {
            "base": {"version": manifest.version, "sha256": manifest.sha256},
            "pictures": {**taught, "parts": {name: len(part) for name, part in parts.items()}},
            "replay": describe_data(old.replay) if old else None,
        },
        "metrics": metrics,
        "history": lesson.adapted.history,
    }


class Fitted(NamedTuple):
    """What turns the new network's logits into an answer; `min_confidence` is a probability, and stays what it was."""

    temperature: float
    odds: DigitOdds | None
    max_energy: float | None


def _fit(lesson: Lesson) -> Fitted:
    """Fit what the manifest carries again, on what was held back of the old pictures; the old values without any."""
    manifest, old = lesson.base.manifest, lesson.old
    if old is None:
        return Fitted(manifest.temperature, manifest.digit_odds, manifest.thresholds.max_energy)
    temperature = _temperature(lesson, old)
    others = Digits(old.others, torch.zeros(len(old.others)))

    def looked(run: Callable[[NDArray[np.uint8]], Outputs], digits: Sequence[Digits | None]) -> Looked:
        there = [part for part in digits if part is not None]
        *seen, none = (torch.from_numpy(look_twice(run, part.images.numpy()).logits) for part in (*there, others))
        return Looked(seen, none, [part.labels for part in there])

    def both(*digits: Digits | None) -> tuple[Looked, Looked]:
        after = runner_of(lesson.adapted.net, temperature)
        return looked(lesson.before.run, digits), looked(after, digits)

    odds = refit_odds(*both(old.hands), manifest)
    return Fitted(temperature, odds, refit_energy(*both(old.validation, old.hands), manifest, odds))


def _refitted(lesson: Lesson) -> dict[str, str]:
    """Say on what each number was fitted again, or why it was not."""
    manifest, old = lesson.base.manifest, lesson.old
    if old is None:
        return dict.fromkeys(("temperature", "digit_odds", "max_energy"), "kept: there are no old pictures")
    hands, others = 0 if old.hands is None else len(old.hands), len(old.others)
    few = f"kept: {hands} real digits and {others} pictures without a digit, expected {ENOUGH} of each"
    is_real = manifest.digit_odds is not None
    return {
        "temperature": (f"on {hands} real digits" if hands >= ENOUGH else few) if is_real else "on MNIST and yours",
        "digit_odds": (f"on {hands} real digits, {others} others" if min(hands, others) >= ENOUGH else few)
        if is_real
        else "none: the base has none",
        "max_energy": f"on {len(old.validation)} digits of MNIST, {hands} real digits, {others} others",
        "min_confidence": "kept: a probability means the same as before",
    }


def _temperature(lesson: Lesson, old: OldTask) -> float:
    """Fit the temperature on digits: MNIST's and yours; or on real handwriting, if it was fitted on that before.

    There are fewer such images than at the first fit, so it is moved by as much as the best one for these has moved.
    """
    manifest = lesson.base.manifest
    if manifest.digit_odds is None:
        mine = _digits_alone(lesson, lesson.parts.validation)
        both = [part for part in (mine, old.validation) if part is not None]
        logits = torch.cat([logits_of(lesson.adapted.net, part) for part in both])
        return fit_temperature(logits, torch.cat([part.labels for part in both]))
    if old.hands is None or len(old.hands) < ENOUGH:
        return manifest.temperature
    before, after = (
        fit_temperature(logits_of(net, old.hands), old.hands.labels)
        for net in (network_in(lesson.base), lesson.adapted.net)
    )
    return round(manifest.temperature * after / before, 6)


def _digits_alone(lesson: Lesson, examples: Sequence[Example]) -> Digits | None:
    labelled = [example for example in examples if example.label in lesson.labels]
    return to_digits(labelled, lesson.labels) if labelled else None
