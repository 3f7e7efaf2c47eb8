"""One fine-tuning from start to finish: check the pictures, train, export, compare, and publish only what is better."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.model.artifact import MANIFEST_FILE, Artifact, latest_version, load_artifact
from service.model.session import DigitSession
from training.data.collection import Collection, Example, disputed, read_collection
from training.data.folder import contact_sheet
from training.data.mnist import DIGITS, Digits, describe_data, load_mnist, split
from training.data.parts import Parts, divide
from training.errors import DataError
from training.judge.gate import Comparison, compare, require_better
from training.judge.measure import fit_temperature, logits_of, measure, served_logits
from training.learn.adapt import Adaptation, Adapted, adapt, widen
from training.network.checkpoint import REPORT, WEIGHTS, write_json, write_tensors
from training.publish.card import write_card
from training.publish.parity import network_in
from training.publish.publish import publish

logger = logging.getLogger(__name__)

HELD_OUT = 5_000  # of MNIST's training pictures: kept from replay, and looked at instead
PARITY_PICTURES = 500
SHEET = "disputed.png"


@dataclass(frozen=True)
class Finetuning:
    """What to fine-tune, on what, and what must hold."""

    pictures: Path
    model: Path  # a version's folder, or a model's, of which the highest version is taken
    run: Path
    data: Path
    how: Adaptation = field(default_factory=Adaptation)
    bound: float = 0.2  # percentage points that MNIST may lose
    unmeasured: bool = False
    drop_disputed: bool = False


@dataclass(frozen=True)
class Mnist:
    """The old task: replayed, watched, and measured once at the end."""

    replay: Digits
    validation: Digits
    test: Digits


def check(job: Finetuning, session: DigitSession) -> Collection:
    """Read the pictures, say what is wrong with them, and draw those whose label the model strongly disputes.

    Raises:
        DataError: they cannot be trained on as they are.
    """
    collection = read_collection(job.pictures)
    for finding in collection.findings:
        logger.info("%s", finding)
    doubtful = disputed(session, collection)
    if doubtful:
        job.run.mkdir(parents=True, exist_ok=True)
        contact_sheet(doubtful, job.run / SHEET)
        action = "left out" if job.drop_disputed else "kept (--drop-disputed leaves them out)"
        logger.info("%d labels are strongly disputed, drawn in %s: %s", len(doubtful), job.run / SHEET, action)
        for answer in doubtful:
            logger.info("disputed: %s: labelled %r, looks like %r", answer.path, answer.label, answer.said)
    if job.drop_disputed:
        wrong = {answer.path for answer in doubtful}
        kept = tuple(example for example in collection.examples if example.path not in wrong)
        collection = Collection(kept, collection.findings)
    collection.require_sound()
    logger.info("%d usable pictures of %s", len(collection.examples), ", ".join(collection.labels))
    return collection


def finetune(job: Finetuning) -> Path:
    """Return the folder of the version that was published.

    Raises:
        DataError: the pictures cannot be trained on.
        GateError: the new version is not better enough, or forgot too much; it stays in the run's folder.
    """
    torch.use_deterministic_algorithms(mode=True)
    base = load_artifact(job.model)
    before = DigitSession(base, "cpu")
    collection = check(job, before)
    parts = divide(collection, job.how.seed)
    labels = [*base.manifest.labels, *(each for each in collection.labels if each not in base.manifest.labels)]
    mnist = _mnist(job.data, labels)
    adapted = _train(job, base, parts, mnist, labels)
    report = _report(job, base, collection, parts, mnist, adapted, labels)
    write_tensors(job.run / WEIGHTS, adapted.net.state_dict(), {"base": base.manifest.sha256})
    write_json(job.run / REPORT, report)
    candidate = job.run / base.manifest.name / str(int(latest_version(base.folder.parent).name) + 1)
    manifest = publish(job.run, candidate, mnist.test[:PARITY_PICTURES] if mnist else None)
    after = DigitSession(load_artifact(candidate), "cpu")
    images = np.stack([example.image for example in parts.held_back])
    new = compare(before, after, images, [example.label for example in parts.held_back])
    old = None
    if mnist is not None:
        old = compare(before, after, mnist.test.images.numpy(), [labels[each] for each in mnist.test.labels.tolist()])
    manifest["gate"] = {"bound": job.bound, "new": new.to_json(), "old": old.to_json() if old else None}
    write_json(candidate / MANIFEST_FILE, manifest)
    write_card(candidate, manifest)
    _tell("held-back pictures", new)
    if old is not None:
        _tell("MNIST test set", old)
    require_better(new, old, bound=job.bound, unmeasured=job.unmeasured)
    return _move(candidate, base.folder.parent)


def to_digits(examples: tuple[Example, ...], labels: list[str]) -> Digits:
    """Return examples as tensors; the labels are their places in `labels`."""
    images = torch.from_numpy(np.stack([example.image for example in examples]))
    return Digits(images, torch.tensor([labels.index(example.label) for example in examples]))


def _mnist(data: Path, labels: list[str]) -> Mnist | None:
    if not set(DIGITS) <= set(labels):
        return None
    places = torch.tensor([labels.index(digit) for digit in DIGITS])
    try:
        whole, test = (load_mnist(data, train=train) for train in (True, False))
    except DataError as error:
        logger.info("no replay, held to its old answers instead: %s", error)
        return None
    replay, held_out = (Digits(part.images, places[part.labels]) for part in split(whole, HELD_OUT))
    return Mnist(replay, held_out, Digits(test.images, places[test.labels]))


def _train(job: Finetuning, base: Artifact, parts: Parts, mnist: Mnist | None, labels: list[str]) -> Adapted:
    net = widen(network_in(base), len(labels), job.how.seed)
    new = (to_digits(parts.train, labels), to_digits(parts.validation, labels))
    old = (mnist.replay, mnist.validation) if mnist else None
    shown = "epoch %(epoch)2d: validation loss %(new).4f on yours" + (", %(old).4f on MNIST" if mnist else "")
    adapted = adapt(net, new, old, job.how, lambda losses: logger.info(shown, losses))
    logger.info("went %.0f %% of the way to the weights of epoch %d", 100 * adapted.share, adapted.best_epoch)
    return adapted


def _report(
    job: Finetuning,
    base: Artifact,
    collection: Collection,
    parts: Parts,
    mnist: Mnist | None,
    adapted: Adapted,
    labels: list[str],
) -> dict[str, Any]:
    """Write what the manifest holds: counts and hashes of the pictures, and nothing else of them."""
    temperature, metrics = base.manifest.temperature, {}
    if mnist is not None:  # a temperature needs more pictures than a small folder has
        both = [to_digits(parts.validation, labels), mnist.validation]
        logits = torch.cat([logits_of(adapted.net, part) for part in both])
        temperature = fit_temperature(logits, torch.cat([part.labels for part in both]))
        metrics["test"] = asdict(measure(served_logits(adapted.net, mnist.test, temperature), mnist.test.labels))
    held_back = to_digits(parts.held_back, labels)
    metrics["held_back"] = asdict(measure(served_logits(adapted.net, held_back, temperature), held_back.labels))
    divided = {"train": parts.train, "validation": parts.validation, "held_back": parts.held_back}
    return {
        "recipe": {"name": "finetune", **asdict(job.how), "best_epoch": adapted.best_epoch, "share": adapted.share},
        "seed": job.how.seed,
        "labels": labels,
        "temperature": temperature,
        "thresholds": base.manifest.thresholds.model_dump(),
        "digit_odds": base.manifest.digit_odds.model_dump() if base.manifest.digit_odds else None,
        "data": {
            "base": {"version": base.manifest.version, "sha256": base.manifest.sha256},
            "pictures": {**collection.describe(), "parts": {name: len(part) for name, part in divided.items()}},
            "replay": describe_data(mnist.replay) if mnist else None,
        },
        "metrics": metrics,
        "history": adapted.history,
    }


def _tell(name: str, found: Comparison) -> None:
    logger.info(
        "%s: %d of %d right, before %d (%+.2f points; %d fixed, %d broken: chance %.2g)",
        *(name, found.right_after, found.pictures, found.right_before, found.points),
        *(found.fixed, found.broken, found.chance),
    )


def _move(candidate: Path, models: Path) -> Path:
    """Copy beside the target and rename, so that a service that looks there sees the whole version or none."""
    target, temporary = models / candidate.name, models / f".new-{candidate.name}"
    shutil.copytree(candidate, temporary, dirs_exist_ok=True)
    temporary.rename(target)
    return target
