"""What a network that is taught more must not forget: pictures to replay, and pictures to measure it by."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.hands import load_hands
from training.data.mnist import DIGITS, Digits, load_mnist, split
from training.errors import DataError
from training.synth.mixture import HandsPlan, load_hands_pool
from training.synth.pool import NO_DIGIT, Pool, PoolPlan, load_pool

logger = logging.getLogger(__name__)

HELD_OUT: Final = 5_000  # of MNIST's training pictures: kept from replay, and looked at instead
REPLAYED: Final = 6_000  # of the others; with those beside them, two in five of what is replayed
OTHERS: Final = 120  # synthetic pictures without a digit of each kind, to replay; some to fit and to judge by
THINNED: Final = 25  # so many times fewer pictures of digits than in training: they take half a minute, not ten

# From each file of real handwriting far fewer images than training makes. Half of the validation images decide what a
# version must keep, and half judge it.
HANDS: Final = HandsPlan(
    **{name: value / 10 for name, value in dataclasses.asdict(HandsPlan()).items() if name != "seed"}, seed=3
)
NONE: Final = dict.fromkeys((each.name for each in dataclasses.fields(HandsPlan) if each.name != "seed"), 0.0)
WATCHED: Final = HandsPlan(
    **{**NONE, "unipen_digits": 0.8, "swiss": 0.8, "unipen_signs": 0.2, "omniglot": 0.4, "icons": 0.4}, seed=4
)

Checked = tuple[NDArray[np.uint8], Sequence[str | None]]
"""Images uint8 [N, 28, 28] and their labels; None for one that ought to be rejected."""


@dataclass(frozen=True)
class OldTask:
    """Pictures of what the network knew; labels are places in a list of labels, its length for "no digit".

    Attributes:
        replay: shown beside the new pictures.
        validation: MNIST's, watched while training.
        test: MNIST's test set, measured once at the end.
        hands: real digits by other people than MNIST's, to see what must be kept, and to fit by; if they are there.
        others: uint8 [N, 28, 28] without a digit, for the same.
        others_test: pictures without a digit, measured once at the end; None if there are none.
        hands_test: other real digits, measured once at the end too.
    """

    replay: Digits
    validation: Digits
    test: Digits
    hands: Digits | None = None
    others: torch.Tensor = field(default_factory=lambda: torch.zeros((0, 28, 28), dtype=torch.uint8))
    others_test: Checked | None = None
    hands_test: Checked | None = None


def load_old_task(data: Path, labels: Sequence[str], kept: Path) -> OldTask | None:
    """Load MNIST and the pictures that belong to it; None, and a line that says so, where MNIST is not there.

    Synthetic pictures are made once, half a minute on two cores, and kept in `kept`.
    """
    if not set(DIGITS) <= set(labels):
        return None
    try:
        whole, test = (load_mnist(data, train=train) for train in (True, False))
    except DataError as error:
        logger.info("no replay of old images; the old answers to the new images are kept instead: %s", error)
        return None
    replay, held_out = split(whole, HELD_OUT)
    workers = torch.get_num_threads()

    def pool(digits: Digits, others: int, seed: int, thinned: int | None = None) -> Pool:
        plan = _thin(thinned, others, seed)
        made = load_pool(digits.images.numpy(), digits.labels.numpy(), plan, kept, workers)
        return _written(made)

    taught = [pool(replay, OTHERS, 3, THINNED)]
    fitted, judged = ([pool(digits, OTHERS // 3, seed)] for digits, seed in ((held_out, 4), (test, 5)))
    if (hands := _hands(data, HANDS, "train", kept, workers)) is not None:
        taught.append(hands)
    watched = _hands(data, WATCHED, "validation", kept, workers)
    if watched is not None:
        for half, part in ((fitted, _every_second(watched, 0)), (judged, _every_second(watched, 1))):
            half.append(part)
    places = torch.tensor([*(labels.index(digit) for digit in DIGITS), len(labels)])

    def placed(digits: Digits) -> Digits:
        return Digits(digits.images, places[digits.labels])

    def digits_of(pools: list[Pool]) -> Digits:
        chosen = [(part, part.labels != NO_DIGIT) for part in pools]
        images, labels = (
            np.concatenate([getattr(part, name)[which] for part, which in chosen]) for name in ("images", "labels")
        )
        return placed(Digits(torch.from_numpy(images), torch.from_numpy(labels)))

    beside = [Digits(torch.from_numpy(part.images), torch.from_numpy(part.labels)) for part in taught]
    others, others_test = (_others_of(part) for part in (taught, judged))
    none = Digits(torch.from_numpy(others), torch.full((len(others),), NO_DIGIT))
    shown = [placed(part) for part in (replay[:REPLAYED], *beside, none)]  # what is no digit twice: a third of all
    return OldTask(
        replay=Digits(*(torch.cat([getattr(part, name) for part in shown]) for name in ("images", "labels"))),
        validation=placed(held_out),
        test=placed(test),
        hands=None if watched is None else digits_of(fitted),
        others=torch.from_numpy(_others_of(fitted)),
        others_test=(others_test, [None] * len(others_test)),
        hands_test=None if watched is None else _checked(digits_of(judged), labels),
    )


def _hands(data: Path, plan: HandsPlan, part: str, kept: Path, workers: int) -> Pool | None:
    """Make pictures of real handwriting, or none if its files are not there."""
    names = [f"{name}_{part}" for name, copies in dataclasses.asdict(plan).items() if copies and name != "seed"]
    try:
        return _written(load_hands_pool(load_hands(data, names), plan, kept, workers))
    except DataError as error:
        logger.info("without other people's handwriting for %s: %s", part, error)
        return None


def _every_second(pool: Pool, first: int) -> Pool:
    here = slice(first, None, 2)
    return Pool(pool.images[here], pool.labels[here], pool.kinds[here], pool.rejected[here])


def _others_of(pools: Sequence[Pool]) -> NDArray[np.uint8]:
    return np.concatenate([part.images[part.labels == NO_DIGIT] for part in pools])


def _checked(digits: Digits, labels: Sequence[str]) -> Checked:
    return digits.images.numpy(), [labels[place] for place in digits.labels.tolist()]


def _thin(thinned: int | None, others: int, seed: int) -> PoolPlan:
    """Return a plan of so many times fewer pictures of digits (None: of none), and so many without one of each kind."""
    counts = {each.name: getattr(PoolPlan(), each.name) for each in dataclasses.fields(PoolPlan)}
    fewer = {name: count // thinned if thinned else 0 for name, count in counts.items()}
    return PoolPlan(**{**fewer, "other": others, "seed": seed})


def _written(pool: Pool) -> Pool:
    """Leave out what preprocessing rejects by itself: no network is asked about it."""
    kept = ~pool.rejected
    return Pool(pool.images[kept], pool.labels[kept], pool.kinds[kept], pool.rejected[kept])
