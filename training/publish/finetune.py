"""One fine-tuning from start to finish: check the pictures, train, export, compare, and publish only what is better."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.artifact import MANIFEST_FILE, Artifact, latest_version, load_artifact
from service.model.session import DigitSession
from training.data.collection import NONE, Collection, disputed, read_collection
from training.data.feedback import Feedback, read_feedback
from training.data.folder import contact_sheet
from training.data.parts import Parts, divide
from training.errors import DataError
from training.judge.gate import Comparison, compare, require_better, require_kept, require_rejecting, require_step
from training.judge.membership import attack_parts
from training.learn.adapt import Adaptation, Adapted, adapt, widen
from training.learn.train import be_deterministic
from training.network.checkpoint import REPORT, WEIGHTS, write_json, write_tensors
from training.publish.bounds import Bounds
from training.publish.card import write_card
from training.publish.lesson import Lesson, report_of, to_digits
from training.publish.old_task import OldTask, load_old_task
from training.publish.parity import network_in
from training.publish.publish import publish

logger = logging.getLogger(__name__)

PARITY_PICTURES: Final = 500
LOOKED_AT: Final = 1_000  # of MNIST, after each epoch
SHEET: Final = "disputed.png"


@dataclass(frozen=True)
class Finetuning:
    """What to fine-tune, on what, and what must hold.

    Attributes:
        pictures: a folder of pictures or a CSV, or a feedback folder where `is_feedback`.
        model: a version's folder, or a model's, of which the highest version is taken.
        bound: percentage points that MNIST may lose.
        bound_others: percentage points that the share of rejected pictures without a digit may lose.
    """

    pictures: Path
    model: Path
    run: Path
    data: Path
    how: Adaptation = field(default_factory=Adaptation)
    bound: float = 0.2
    bound_others: float = 1.0
    unmeasured: bool = False
    drop_disputed: bool = False
    is_feedback: bool = False
    only_accepted: bool = False


class Found(NamedTuple):
    """Both versions compared on the new pictures, on MNIST, on other people's digits, on non-digits; or None."""

    new: Comparison
    old: Comparison | None
    hands: Comparison | None
    others: Comparison | None


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
    be_deterministic()
    base = load_artifact(job.model)
    before = DigitSession(base, "cpu")
    feedback = _feedback(job) if job.is_feedback else None
    collection = check(job, before) if feedback is None else feedback.collection
    new_labels = [each for each in collection.labels if each not in (*base.manifest.labels, NONE)]
    labels = [*base.manifest.labels, *new_labels]
    parts = divide(collection, job.how.seed, few=job.is_feedback)
    old = load_old_task(job.data, labels, job.run.parent)
    lesson = Lesson(base, before, parts, old, labels, _train(job, base, parts, old, labels))
    if lesson.adapted.best_epoch:  # otherwise there was nothing to learn
        require_step(lesson.adapted.share, bound=job.how.forget, bound_others=job.how.forget_others)
    report = report_of(lesson, job.how, collection.describe() if feedback is None else feedback.describe())
    write_tensors(job.run / WEIGHTS, lesson.adapted.net.state_dict(), {"base": base.manifest.sha256})
    write_json(job.run / REPORT, report)
    candidate = job.run / base.manifest.name / str(int(latest_version(base.folder.parent).name) + 1)
    manifest = publish(job.run, candidate, old.test[:PARITY_PICTURES] if old else None)
    after = DigitSession(load_artifact(candidate), "cpu")
    found = _judge(lesson, after)
    attacks = attack_parts(after, parts)
    manifest["membership"] = {name: asdict(each) for name, each in attacks.items()} if attacks else None
    manifest["refitted"] = report["refitted"]
    manifest["gate"] = {
        "bound": job.bound,
        "bound_others": job.bound_others,
        "judged_on": "held back" if parts.held_back else "what was learnt: too few to hold any back",
        **{name: None if each is None else each.to_json() for name, each in found._asdict().items()},
    }
    write_json(candidate / MANIFEST_FILE, manifest)
    write_card(candidate, manifest)
    require_better(found.new, found.old, bound=job.bound, unmeasured=job.unmeasured)
    if found.hands is not None:
        require_kept(found.hands, bound=job.bound)
    if found.others is not None:
        require_rejecting(found.others, bound=job.bound_others)
    return _move(candidate, base.folder.parent)


def _feedback(job: Finetuning) -> Feedback:
    feedback = read_feedback(job.pictures, only_accepted=job.only_accepted)
    for finding in feedback.collection.findings:
        logger.info("%s", finding)
    told = feedback.describe()
    logger.info("%d corrections to learn from; left out: %s", told["pictures"], told["left_out"])
    if not feedback.collection.examples:
        raise DataError(
            f"{job.pictures} holds {len(feedback.kept)} corrections, but none to learn from: accept some "
            "(python -m training feedback shows which are disputed), or wait for more."
        )
    return feedback


def _train(job: Finetuning, base: Artifact, parts: Parts, old: OldTask | None, labels: list[str]) -> Adapted:
    net = widen(network_in(base), len(labels), job.how.seed)
    watched = parts.validation or parts.train
    new = (to_digits(parts.train, labels), to_digits(watched, labels))
    replayed = (old.replay, old.validation[:LOOKED_AT]) if old else None
    shown = "epoch %(epoch)2d: validation loss %(new).4f on yours" + (", %(old).4f on MNIST" if old else "")
    allow = Bounds(net, base.manifest, old, job.how).allow if old else None
    adapted = adapt(net, new, replayed, job.how, lambda losses: logger.info(shown, losses), allow)
    logger.info(
        "kept a mix of the weights: %.0f %% of the step from the old ones to those of epoch %d",
        100 * adapted.share,
        adapted.best_epoch,
    )
    return adapted


def _judge(lesson: Lesson, after: DigitSession) -> Found:

    def compared(name: str, images: NDArray[np.uint8], labels: Sequence[str | None]) -> Comparison:
        found = compare(lesson.before, after, images, labels)
        _tell(name, found)
        return found

    judged = lesson.parts.held_back or lesson.parts.train
    said = [None if one.label == NONE and NONE not in lesson.labels else one.label for one in judged]
    new = compared(
        "held-back pictures" if lesson.parts.held_back else "what was learnt", np.stack([o.image for o in judged]), said
    )
    if lesson.old is None:
        return Found(new, None, None, None)
    test, others, hands = lesson.old.test, lesson.old.others_test, lesson.old.hands_test
    return Found(
        new,
        compared("MNIST test set", test.images.numpy(), [lesson.labels[each] for each in test.labels.tolist()]),
        None if hands is None else compared("digits by other people", *hands),
        None if others is None else compared("pictures without a digit", *others),
    )


def _tell(name: str, found: Comparison) -> None:
    logger.info(
        "%s: %d of %d right, before %d (%+.2f points; %d fixed, %d broken; probability by chance %.2g)",
        *(name, found.right_after, found.pictures, found.right_before, found.points),
        *(found.fixed, found.broken, found.chance),
    )


def _move(candidate: Path, models: Path) -> Path:
    """Copy beside the target and rename, so that a service that looks there sees the whole version or none."""
    target, temporary = models / candidate.name, models / f".new-{candidate.name}"
    shutil.copytree(candidate, temporary, dirs_exist_ok=True)
    temporary.rename(target)
    return target
