"""Whether a new version may replace the old one: better on the new pictures, not worse than a bound on the old ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.model.session import DigitSession
from service.recognition.recogniser import Recogniser
from training.errors import GateError

BATCH: Final = 64
CHANCE: Final = 0.05  # a difference that chance makes more often than this is none


@dataclass(frozen=True)
class Comparison:
    """Two versions' answers to the same pictures, as they would be served: a rejection is no right answer.

    The losses are mean negative log-probabilities of the right label, in nats, over what shows a digit; None where a
    version lacks a label.
    """

    pictures: int
    right_before: int
    right_after: int
    fixed: int
    broken: int
    loss_before: float | None
    loss_after: float | None

    @property
    def points(self) -> float:
        """By how many percentage points the accuracy rose."""
        return 100 * (self.right_after - self.right_before) / self.pictures

    @property
    def chance(self) -> float:
        """How often pure chance would fix and break pictures as unevenly as this: the exact two-sided sign test."""
        changed, rarer = self.fixed + self.broken, min(self.fixed, self.broken)
        tail: float = sum(math.comb(changed, k) for k in range(rarer + 1)) / 2**changed
        return min(1.0, 2 * tail)

    @property
    def is_better(self) -> bool:
        """More right answers; or as many, with more probability on the right ones."""
        if self.right_after != self.right_before:
            return self.right_after > self.right_before
        return self.loss_after is not None and (self.loss_before is None or self.loss_after < self.loss_before)

    def to_json(self) -> dict[str, float | None]:
        """Return it as the manifest holds it."""
        return {**asdict(self), "points": round(self.points, 3), "chance": round(self.chance, 6)}


def compare(
    before: DigitSession, after: DigitSession, images_u8: NDArray[np.uint8], labels: Sequence[str | None]
) -> Comparison:
    """Have two versions answer uint8 [N, 28, 28] whose labels are known; None for one that ought to be rejected."""
    (right_before, loss_before), (right_after, loss_after) = (
        _answer(session, images_u8, labels) for session in (before, after)
    )
    return Comparison(
        pictures=len(labels),
        right_before=int(right_before.sum()),
        right_after=int(right_after.sum()),
        fixed=int((right_after & ~right_before).sum()),
        broken=int((right_before & ~right_after).sum()),
        loss_before=loss_before,
        loss_after=loss_after,
    )


def require_step(share: float, *, bound: float, bound_others: float) -> None:
    """Let a version pass that has a share of the new weights.

    Raises:
        GateError: the smallest step towards them already forgets too much.
    """
    if not share:
        raise GateError(
            f"not published: nothing can be learnt from these images without losing more than {bound:g} points of the "
            f"digits that the model knew, or {bound_others:g} points of the non-digits that it rejected; "
            "allow more with --bound and --bound-others, or find wrong labels with --check."
        )


def require_better(new: Comparison, old: Comparison | None, *, bound: float, unmeasured: bool = False) -> None:
    """Let a version pass that is better on the new pictures and at most `bound` points worse on the old ones.

    `old` is None where there are no old pictures; then only `unmeasured` lets it pass.

    Raises:
        GateError: it is not better, or is worse on the old ones; the message has the figures.
    """
    if not new.is_better:
        raise GateError(
            f"not published: {new.right_after} of {new.pictures} held-out images are right, before "
            f"{new.right_before} (log loss {_shown(new.loss_after)}, before {_shown(new.loss_before)}), expected more; "
            "add images, or find wrong labels with --check."
        )
    if old is None and not unmeasured:
        raise GateError(
            "not published: forgetting could not be measured, because MNIST is missing; "
            "put it below $DIGITS_DATA, or use --unmeasured to publish nevertheless."
        )
    if old is not None and old.points < -bound:
        raise GateError(
            f"not published: {-old.points:.2f} points fewer are right on {old.pictures} old images, expected at most "
            f"{bound:.2f}; fewer epochs or a lower rate (--epochs, --learning-rate) forget less."
        )


def require_kept(hands: Comparison, *, bound: float) -> None:
    """Let a version pass that is at most `bound` points worse on real handwriting, or whose difference may be chance.

    Raises:
        GateError: it is worse than that; the message has the figures.
    """
    if hands.points < -bound and hands.chance < CHANCE:
        raise GateError(
            f"not published: {-hands.points:.2f} points fewer are right on {hands.pictures} digits by other people, "
            f"expected at most {bound:.2f} ({hands.fixed} fixed, {hands.broken} broken; "
            f"probability by chance {hands.chance:.2g}); fewer epochs or a lower rate "
            "(--epochs, --learning-rate) forget less."
        )


def require_rejecting(others: Comparison, *, bound: float) -> None:
    """Let a version pass that rejects at most `bound` points fewer of the pictures that show no digit.

    Raises:
        GateError: it accepts more of them as digits; the message has the figures.
    """
    if others.points < -bound:
        raise GateError(
            f"not published: {others.right_after} of {others.pictures} images without a digit are rejected, before "
            f"{others.right_before}: {-others.points:.2f} points fewer, expected at most {bound:.2f}; add "
            "images without a digit (label none), or allow more with --bound-others."
        )


def _answer(
    session: DigitSession, images_u8: NDArray[np.uint8], labels: Sequence[str | None]
) -> tuple[NDArray[np.bool_], float | None]:
    manifest = session.artifact.manifest
    recogniser = Recogniser(session.run, manifest)
    parts = [recogniser.images(images_u8[at : at + BATCH]) for at in range(0, len(images_u8), BATCH)]
    predictions = [answer.prediction for part in parts for answer in part]
    said = [None if one.label is None else manifest.labels[one.label] for one in predictions]
    right = np.array([one == label for one, label in zip(said, labels, strict=True)], bool)
    shown = [(one, label) for one, label in zip(predictions, labels, strict=True) if label is not None]
    if not shown or any(label not in manifest.labels for _, label in shown):
        return right, None
    wanted = np.array([one.probabilities[manifest.labels.index(label)] for one, label in shown])
    return right, float(-np.log(np.maximum(wanted, 1e-12)).mean())


def _shown(loss: float | None) -> str:
    return "none" if loss is None else f"{loss:.4f}"
