"""Drift: how much recent answers differ from the training data in digits and ink, as one number."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from service.model.artifact import Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WINDOW: Final = 1000  # answers that one worker remembers
MIN_ANSWERS: Final = 500  # with fewer the number says more about chance than about the traffic
BINS: Final = 10  # of the ink; deciles of the training set, the usual choice for this index
RECENT: Final = "digits_recent_answers"
SAMPLE: Final = re.compile(rf'^{RECENT}\{{bin="(\d+)",of="(classes|ink)"\}} (\S+)$', re.MULTILINE)


class DriftWindow:
    """The last answers of one worker, counted by class and by ink.

    Args:
        reference: the training data's statistics.
        size: answers that are remembered.
    """

    def __init__(self, reference: Statistics, size: int = WINDOW) -> None:
        self.classes = [0] * len(reference.class_shares)
        self.ink = [0] * len(reference.ink_shares)
        self._edges = reference.ink_edges
        self._size = size
        self._recent: deque[tuple[int, int]] = deque()

    def add(self, label: int, inked_pixels: int) -> None:
        """Count one answer: its class, and how many of the image's 784 pixels are not background."""
        ink = bisect_right(self._edges, inked_pixels)
        self._recent.append((label, ink))
        self.classes[label] += 1
        self.ink[ink] += 1
        if len(self._recent) > self._size:
            label, ink = self._recent.popleft()
            self.classes[label] -= 1
            self.ink[ink] -= 1


def describe(images_u8: NDArray[np.uint8], labels: NDArray[np.integer], classes: int) -> Statistics:
    """Describe training data: uint8 [N, 28, 28] as the network sees them, their classes, integers [N], and how many."""
    ink = np.count_nonzero(images_u8, axis=(1, 2))
    edges = np.unique(np.quantile(ink, np.arange(1, BINS) / BINS).astype(int))
    in_bins = np.bincount(np.searchsorted(edges, ink, side="right"), minlength=len(edges) + 1)
    return Statistics(
        images=len(images_u8),
        class_shares=tuple((np.bincount(labels, minlength=classes) / len(labels)).round(6).tolist()),
        ink_edges=tuple(edges.tolist()),
        ink_shares=tuple((in_bins / len(ink)).round(6).tolist()),
    )


def stability_index(counts: Sequence[float], shares: Sequence[float]) -> float:
    """Population stability index of counts against expected shares: Σ (p − q) ln(p / q), 0 for equal distributions.

    Below 0.1 is taken for no change, above 0.25 for a large one (Siddiqi, "Credit Risk Scorecards", 2006). Chance alone
    gives about (bins − 1) / answers. Half a count is added to each bin, so that an empty one gives a finite number.
    """
    total = sum(counts) + 0.5 * len(counts)
    smallest = 0.5 / total
    pairs = [((count + 0.5) / total, max(share, smallest)) for count, share in zip(counts, shares, strict=True)]
    return sum((p - q) * math.log(p / q) for p, q in pairs)


def add_drift(exposition: str, reference: Statistics | None) -> str:
    """Add `digits_drift` to the text of /metrics, from the workers' windows, which that text already holds, summed up.

    It is the larger of the two stability indices, of the classes and of the ink; NaN while there are too few answers,
    or where the manifest has no statistics.
    """
    parts = {"classes": math.nan, "ink": math.nan}
    if reference is not None:
        expected = {"classes": reference.class_shares, "ink": reference.ink_shares}
        counts = {of: [0.0] * len(shares) for of, shares in expected.items()}
        for number, of, value in SAMPLE.findall(exposition):
            counts[of][int(number)] = float(value)
        if sum(counts["classes"]) >= MIN_ANSWERS:
            parts = {of: stability_index(counts[of], shares) for of, shares in expected.items()}
    return (
        f"{exposition}"
        "# HELP digits_drift Recent answers against the training data: the larger digits_drift_part\n"
        "# TYPE digits_drift gauge\n"
        f"digits_drift {_written(max(parts.values()))}\n"
        "# HELP digits_drift_part Population stability index of the classes and of the ink; above 0.25 is much\n"
        "# TYPE digits_drift_part gauge\n"
        f'digits_drift_part{{of="classes"}} {_written(parts["classes"])}\n'
        f'digits_drift_part{{of="ink"}} {_written(parts["ink"])}\n'
    )


def _written(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:.6f}"
