"""What a feedback folder tells a person: how many, how often right by version, what is disputed, and a sheet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from service.feedback.correction import NO_DIGIT, Correction, Kept, State
from service.feedback.entry import SEEN
from training.data.feedback import Feedback
from training.data.folder import Shown, draw_sheet, thumbnail

MOST_SHOWN: Final = 120
SURE_Z: Final = 1.959964  # of the normal distribution: 95 % lie within


class Rated(NamedTuple):
    """How often users called a version's answers right, among the answers that they rated."""

    version: str
    rated: int
    right: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share, 0..1. Source: Wilson 1927, "Probable Inference"."""
        return wilson(self.right, self.rated)


def wilson(right: int, rated: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, 0..1."""
    share, square = right / rated, SURE_Z**2
    middle = (share + square / (2 * rated)) / (1 + square / rated)
    half = SURE_Z * math.sqrt(share * (1 - share) / rated + square / (4 * rated**2)) / (1 + square / rated)
    return max(0.0, middle - half), min(1.0, middle + half)


def rated(kept: Sequence[Kept]) -> list[Rated]:
    """Count by version, without what a person has dropped."""
    said = [each.correction for each in kept if each.state is not State.DROPPED]
    total = Counter(one.version for one in said)
    right = Counter(one.version for one in said if one.confirms)
    return [Rated(version, total[version], right[version]) for version in sorted(total, key=_by_number)]


def report_lines(found: Feedback) -> Iterator[str]:
    """Write the report, line by line."""
    states = Counter(each.state for each in found.kept)
    listed = ", ".join(f"{states[state]} {state.value}" for state in State)
    disputed = [each for each in found.kept if each.disputed and each.state is State.WAITING]
    yield f"{len(found.kept)} corrections: {listed}; {len(disputed)} of the waiting are disputed"
    yield f"{len(found.collection.examples)} can be learnt from"
    for version in rated(found.kept):
        low, high = version.interval
        yield (
            f"version {version.version}: {version.right} of {version.rated} rated answers were right, "
            f"{100 * low:.0f} to {100 * high:.0f} %"
        )
    if found.kept:
        yield "(95 % intervals; users rate wrong answers more often than right ones, so the true share is higher)"
    pairs = Counter((_answered(each.correction), _label(each.correction)) for each in found.kept)
    for (answered, label), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"{count:5d}  answered {answered}, users say {label}"
    for each in disputed:
        yield f"disputed: {each.correction.id}: {each.disputed}"
    for finding in found.collection.findings:
        yield str(finding)


def feedback_sheet(found: Feedback, folder: Path, path: Path) -> int:
    """Draw each correction as it was sent and as the network saw it, disputed ones first; return how many are shown."""
    order = sorted(found.kept, key=lambda each: (each.disputed is None, each.state is State.DROPPED))
    shown = order[:MOST_SHOWN]
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet([_shown(each, folder / each.state / each.correction.id) for each in shown], path)
    return len(shown)


def _shown(kept: Kept, entry: Path) -> Shown:
    one = kept.correction
    return Shown(
        thumbnail(entry / one.picture),
        f"{_label(one)}, {kept.state.value}",
        thumbnail(entry / SEEN),
        f"said {_answered(one)}",
        "red" if kept.disputed and kept.state is State.WAITING else "black",
    )


def _label(one: Correction) -> str:
    return "no digit" if one.label is None else one.label


def _answered(one: Correction) -> str:
    return one.rejected or NO_DIGIT if one.answered is None else one.answered


def _by_number(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)
