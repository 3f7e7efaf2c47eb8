"""One table for a model: every validation source, country and kind; shares right, rejected, and confidently wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.model.artifact import Manifest
from service.model.session import Outputs
from service.recognition.second_look import look_twice
from service.recognition.verdict import Judge
from training.judge.calibration import group_of
from training.synth.pool import NO_DIGIT, Pool

SURE: Final = 0.9
BINS: Final = 15
BATCH: Final = 64


@dataclass(frozen=True)
class Row:
    """How one group of pictures was answered, shares 0..1.

    Attributes:
        name: of the group.
        digits: whether it shows digits; then `right` are digits named rightly, else signs that were rejected.
        pictures: how many.
        right: a rejected digit is not right.
        rejected: for any reason.
        confident: answered wrongly with a confidence of SURE or more.
    """

    name: str
    digits: bool
    pictures: int
    right: float
    rejected: float
    confident: float


@dataclass(frozen=True)
class Answers:
    """The answers to N pictures: `said` int64 (-1 for a rejection) and `confidence` float, both [N]."""

    said: NDArray[np.int64]
    confidence: NDArray[np.float64]


def answer_all(run: Callable[[NDArray[np.uint8]], Outputs], manifest: Manifest, pool: Pool) -> Answers:
    """Answer prepared pictures as the service does, with test-time augmentation."""
    judge = Judge(manifest)
    said, sure = [], []
    for start in range(0, len(pool.images), BATCH):
        here = slice(start, start + BATCH)
        outputs = look_twice(run, pool.images[here], pool.rejected[here])
        for logits, probabilities, rejected in zip(*outputs, pool.rejected[here], strict=True):
            prediction = judge.decide(logits, probabilities)
            label = -1 if rejected or prediction.label is None else prediction.label
            said.append(label)
            sure.append(0.0 if rejected else prediction.confidence)
    return Answers(np.array(said, np.int64), np.array(sure))


def leaderboard(answers: Answers, pool: Pool) -> list[Row]:
    """Return a row for each source and country, for each way that pens were written in, and the two means."""
    rows = _rows(answers, pool, [group_of(kind) for kind in pool.kinds])
    ways = np.array([kind.split("|")[2] for kind in pool.kinds])
    with_way = ways != ""
    written = [f"{kind.partition('|')[0]} as {way}" for kind, way in zip(pool.kinds, ways, strict=True)]
    chosen = Pool(*(part[with_way] for part in (pool.images, pool.labels, pool.kinds, pool.rejected)))
    some = Answers(answers.said[with_way], answers.confidence[with_way])
    by_way = _rows(some, chosen, [name for name, use in zip(written, with_way, strict=True) if use])
    return [*rows, *(_mean(rows, digits) for digits in (True, False) if any(r.digits == digits for r in rows)), *by_way]


def calibration_error(answers: Answers, pool: Pool, weights: NDArray[np.float64]) -> float:
    """Return the expected calibration error of the whole answer, over digits and signs, 0..1, BINS equal bins.

    An answer is right if the network's digit is the picture's; of a sign none is. Rejected ones are judged too, by the
    confidence that they come with, as wrong: nothing was named.
    """
    right = answers.said == np.where(pool.labels == NO_DIGIT, -2, pool.labels)
    place = np.minimum((answers.confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(float((weights[place == each] * (answers.confidence[place == each] - right[place == each])).sum()))
        for each in range(BINS)
    ]
    return sum(gaps) / float(weights.sum())


def table(rows: Iterable[Row]) -> str:
    """Write rows as Markdown."""
    lines = [
        "| source | images | right, % | rejected, % | wrong with confidence ≥ 0.9, % |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        right = f"{100 * row.right:.1f}" if row.digits else ""
        name = row.name if row.digits else f"no digit: {row.name}"
        lines.append(f"| {name} | {row.pictures:,} | {right} | {100 * row.rejected:.1f} | {100 * row.confident:.2f} |")
    return "\n".join(lines)


def to_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return rows as the manifest holds them."""
    return [{k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(row).items()} for row in rows]


def from_json(rows: Iterable[Mapping[str, object]]) -> list[Row]:
    """Read rows back from a manifest."""
    return [Row(**row) for row in rows]  # type: ignore[arg-type]


def _rows(answers: Answers, pool: Pool, names: list[str]) -> list[Row]:
    groups = np.array(names)
    right = answers.said == pool.labels
    rows = []
    for name in dict.fromkeys(names):
        here = groups == name
        digits = bool((pool.labels[here] != NO_DIGIT).any())
        rejected = answers.said[here] < 0
        wrong = ~rejected & ~right[here] & (answers.confidence[here] >= SURE)
        share = right[here].mean() if digits else rejected.mean()
        rows.append(Row(name, digits, int(here.sum()), float(share), float(rejected.mean()), float(wrong.mean())))
    return rows


def _mean(rows: list[Row], digits: bool) -> Row:
    of = [row for row in rows if row.digits == digits]
    mean = [float(np.mean([getattr(row, part) for row in of])) for part in ("right", "rejected", "confident")]
    return Row("mean of the sources", digits, sum(row.pictures for row in of), *mean)
