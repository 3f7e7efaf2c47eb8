"""Corrections by users, as pictures to learn from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from service.errors import RequestError
from service.feedback.correction import Kept, State
from service.feedback.store import FeedbackStore
from service.preprocess import preprocess
from training.data.collection import NONE, Collection, Example, Finding, without_copies
from training.errors import DataError


@dataclass(frozen=True)
class Feedback:
    """A feedback folder: every correction in it, and the pictures that may be learnt from.

    Attributes:
        kept: all corrections, the newest first.
        collection: those that a person has accepted, or that are not disputed; those that cannot be used are findings.
    """

    kept: tuple[Kept, ...]
    collection: Collection

    @property
    def ids(self) -> frozenset[str]:
        """The corrections that are learnt from."""
        return frozenset(example.path.parent.name for example in self.collection.examples)

    def describe(self) -> dict[str, object]:
        """Return what a manifest may hold: counts, hashes and days, never a picture."""
        learnt = [each for each in self.kept if each.correction.id in self.ids]
        days = sorted(each.correction.time[:10] for each in learnt)
        return {
            **self.collection.describe(),
            "accepted_by_a_person": sum(each.state is State.ACCEPTED for each in learnt),
            "undisputed": sum(each.state is State.WAITING for each in learnt),
            "left_out": {
                "dropped": sum(each.state is State.DROPPED for each in self.kept),
                "disputed": sum(each.state is State.WAITING and not each.teaches for each in self.kept),
            },
            "answered_by": dict(sorted(Counter(each.correction.version for each in learnt).items())),
            "days": [days[0], days[-1]] if days else [],
        }


def read_feedback(folder: Path, *, only_accepted: bool = False) -> Feedback:
    """Read a feedback folder; with `only_accepted`, only corrections that a person has accepted are used.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected the one that DIGITS_FEEDBACK names for the service.")
    store = FeedbackStore(folder, 0)
    findings: list[Finding] = []
    examples = []
    kept = store.read()
    for each in kept:
        if each.teaches and (each.state is State.ACCEPTED or not only_accepted):
            example = _example(store, each, findings)
            examples += [] if example is None else [example]
    ordered = sorted(examples, key=lambda example: example.path.name)
    return Feedback(tuple(kept), Collection(tuple(without_copies(ordered, findings)), tuple(findings)))


def _example(store: FeedbackStore, kept: Kept, findings: list[Finding]) -> Example | None:
    one = kept.correction
    path = store.folder / kept.state / one.id / one.picture
    try:
        prepared = preprocess(path.read_bytes())
    except (OSError, RequestError) as error:
        findings.append(Finding("unreadable", str(path), str(error)))
        return None
    if prepared.rejected is None:
        return Example(path, NONE if one.label is None else one.label, "", np.ascontiguousarray(prepared.image))
    if one.label is not None:  # no digit is what the service says already
        findings.append(Finding("rejected", str(path), f"the service would answer {prepared.rejected!r}"))
    return None
