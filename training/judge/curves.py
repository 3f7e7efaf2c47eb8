"""What tells that a picture shows no digit: each measure as a curve of signs rejected against digits lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.model.artifact import Manifest
from service.model.session import Outputs
from service.recognition.second_look import MOVES, look_twice, moved
from training.judge.calibration import Weights, balanced, digit_share
from training.synth.pool import NO_DIGIT, Pool

LOST: Final = (0.003, 0.005, 0.008, 0.01, 0.02, 0.03)
"""Shares of the digits, read rightly by one pass, that a threshold calls "no digit"."""
BATCH: Final = 512

Run = Callable[[NDArray[np.uint8]], Outputs]


def curves(run: Run, manifest: Manifest, pool: Pool) -> Mapping[str, list[float]]:
    """Return for each measure the shares of the signs, 0..1, that are rejected at each of `LOST`.

    Each source counts the same. What preprocessing rejected is rejected by every measure; digits among it are lost
    already and count on neither side, as in `calibration.fit_answer`.

    Args:
        run: one pass, uint8 [N, 28, 28] to Outputs.
        manifest: of the model, with the odds of a digit if it has any.
        pool: validation pictures.
    """
    weights = balanced(pool)
    looks = np.stack([_logits(run, pool.images), *_shifted(run, pool.images)])
    right = (pool.labels == looks[0].argmax(1)) & ~pool.rejected
    signs = pool.labels == NO_DIGIT
    return {
        name: [_rejected(doubt, right, signs, pool.rejected, weights, lost) for lost in LOST]
        for name, doubt in _measures(looks, _logits(lambda images: look_twice(run, images), pool.images), manifest)
    }


def table(found: Mapping[str, list[float]]) -> str:
    """Write curves as Markdown, in per cent."""
    head = " | ".join(f"{100 * lost:g} % lost" for lost in LOST)
    rows = [f"| {name} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |" for name, shares in found.items()]
    return "\n".join([f"| judged by | {head} |", "|---|" + "---:|" * len(LOST), *rows])


def _measures(
    looks: NDArray[np.float32], served: NDArray[np.float32], manifest: Manifest
) -> list[tuple[str, NDArray[np.float64]]]:
    """Give doubts, float [N], higher where there is less of a digit, of logits [9, N, classes] and [N, classes]."""
    first, mean = looks[0].astype(np.float64), looks.mean(0, dtype=np.float64)
    two = np.sort(first, 1)[:, -2:]
    said = looks.argmax(2)
    others = (said != said[0]).sum(0)  # of the eight, those that name another digit
    measures = [
        ("energy, one pass", _energy(first)),
        ("energy, as served", _energy(served)),
        ("energy, mean of nine passes", _energy(mean)),
        ("highest energy of nine passes", np.stack([_energy(one) for one in looks]).max(0)),
        ("energy of one pass, and passes that disagree", _energy(first) + 0.5 * others),
        ("passes that disagree, then energy", others + _squashed(_energy(first))),
        ("largest logit", -first.max(1)),
        ("difference of the two largest logits", two[:, 0] - two[:, 1]),
        ("largest probability", -_sure(first)),
    ]
    if manifest.digit_odds is not None:
        confidence = _sure(served) * digit_share(_energy(served), manifest.digit_odds)
        measures.append(("confidence, as served", -confidence))
    return measures


def _rejected(
    doubt: NDArray[np.float64],
    right: NDArray[np.bool_],
    signs: NDArray[np.bool_],
    rejected: NDArray[np.bool_],
    weights: Weights,
    lost: float,
) -> float:
    """Return the share of the signs above the threshold that loses a share of the digits; ties are kept."""
    order = np.argsort(doubt[right])
    below = np.cumsum(weights[right][order]) / weights[right].sum()
    limit = doubt[right][order][min(len(order) - 1, int(np.searchsorted(below, 1 - lost)))]
    return float(weights[signs & ((doubt > limit) | rejected)].sum() / weights[signs].sum())


def _energy(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    energy: NDArray[np.float64] = -np.logaddexp.reduce(logits.astype(np.float64), axis=1)
    return energy


def _sure(logits: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the largest probability of each row, float [N]."""
    sure: NDArray[np.float64] = np.exp(logits.astype(np.float64).max(1) + _energy(logits))
    return sure


def _squashed(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring energies to 0..1 in their order, so that they only decide between equals."""
    squashed: NDArray[np.float64] = 0.5 + np.arctan(energy) / np.pi
    return squashed


def _logits(run: Run, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    parts = [run(images[start : start + BATCH]).logits for start in range(0, len(images), BATCH)]
    return np.concatenate(parts)


def _shifted(run: Run, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits of the eight shifted copies, float32 [8, N, classes]."""
    parts = []
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        parts.append(run(moved(part)).logits.reshape(len(MOVES), len(part), -1))
    return np.concatenate(parts, 1)
