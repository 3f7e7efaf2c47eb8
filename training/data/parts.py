"""Which of your pictures are trained on, which decide when to stop, and which nobody looks at before the verdict."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.data.collection import Collection, Example
from training.errors import DataError

SHARE: Final = 5  # one picture (or group) in five is for validation, one in five is held back


@dataclass(frozen=True)
class Parts:
    """A collection, divided: no picture, and no group where there are groups, is in two parts."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    held_back: tuple[Example, ...]


def divide(collection: Collection, seed: int, *, few: bool = False) -> Parts:
    """Divide by groups if the pictures have them, else class by class at random, the same way for the same seed.

    Corrections come as they come: with `few`, classes of fewer than SHARE pictures are divided together, and if even
    those are fewer, all of them are trained on.

    Raises:
        DataError: there are groups, but fewer than three, or a class would have no picture to train on.
    """
    shuffler = random.Random(seed)
    if few:
        return _of_few(collection, shuffler)
    grouped = any(example.group for example in collection.examples)
    parts = _by_group(collection, shuffler) if grouped else _by_class(collection, shuffler)
    missing = set(collection.labels) - {example.label for example in parts.train}
    if missing:
        raise DataError(
            f"no picture of {sorted(missing)} is in a group that is trained on; expected each class in several groups: "
            "choose another --seed, or group more coarsely."
        )
    return parts


def _by_class(collection: Collection, shuffler: random.Random) -> Parts:
    divided: list[list[Example]] = [[], [], []]
    classes: defaultdict[str, list[Example]] = defaultdict(list)
    for example in collection.examples:
        classes[example.label].append(example)
    for label in collection.labels:
        examples = classes[label]
        shuffler.shuffle(examples)
        one = max(1, len(examples) // SHARE)
        for part, chosen in zip(divided, (examples[2 * one :], examples[:one], examples[one : 2 * one]), strict=True):
            part.extend(chosen)
    return Parts(*map(tuple, divided))


def _of_few(collection: Collection, shuffler: random.Random) -> Parts:
    """Divide classes that have enough pictures one by one, the others together."""
    classes: defaultdict[str, list[Example]] = defaultdict(list)
    for example in collection.examples:
        classes[example.label].append(example)
    rest = [example for examples in classes.values() if len(examples) < SHARE for example in examples]
    parts = Parts((), (), ())
    for examples in [*(each for each in classes.values() if len(each) >= SHARE), rest]:
        shuffler.shuffle(examples)
        one = len(examples) // SHARE
        parts = Parts(
            (*parts.train, *examples[2 * one :]),
            (*parts.validation, *examples[:one]),
            (*parts.held_back, *examples[one : 2 * one]),
        )
    return parts


def _by_group(collection: Collection, shuffler: random.Random) -> Parts:
    names = sorted({example.group for example in collection.examples})
    if len(names) < 3:
        raise DataError(f"there are {len(names)} groups, {names}; expected three or more, to train, stop and judge by.")
    shuffler.shuffle(names)
    one = max(1, len(names) // SHARE)

    def of(groups: Sequence[str]) -> tuple[Example, ...]:
        return tuple(example for example in collection.examples if example.group in groups)

    return Parts(of(names[2 * one :]), of(names[:one]), of(names[one : 2 * one]))
