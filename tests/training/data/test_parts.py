"""What is judged on was never trained on: the division of a collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.data.collection import Collection, Example
from training.data.parts import Parts, divide
from training.errors import DataError


def collection(per_class: int, groups: int = 0, classes: int = 3) -> Collection:
    """Make examples, of so many groups (0: of none)."""
    image = np.zeros((28, 28), np.uint8)
    return Collection(
        tuple(
            Example(Path(f"{label}-{number}"), str(label), f"writer {number % groups}" if groups else "", image)
            for label in range(classes)
            for number in range(per_class)
        ),
        (),
    )


def parts_of(parts: Parts) -> list[tuple[Example, ...]]:
    """Return the three parts."""
    return [parts.train, parts.validation, parts.held_back]


@pytest.mark.parametrize("per_class", [5, 9, 40])
def test_every_picture_is_in_one_part_and_every_class_in_all(per_class: int) -> None:
    """Three fifths, a fifth and a fifth of each class, and at least one."""
    parts = parts_of(divide(collection(per_class), seed=0))
    paths = [example.path for part in parts for example in part]
    assert len(paths) == len(set(paths)) == 3 * per_class
    assert all({example.label for example in part} == {"0", "1", "2"} for part in parts)
    assert len(parts[2]) == 3 * max(1, per_class // 5)


def test_the_same_seed_divides_in_the_same_way_and_another_in_another() -> None:
    """A second try is judged on the very pictures of the first."""
    first, again, other = ([example.path for example in divide(collection(20), seed).held_back] for seed in (0, 0, 1))
    assert first == again
    assert set(first) != set(other)


def test_no_group_is_in_two_parts() -> None:
    """A writer's hand that was trained on is not judged on."""
    parts = parts_of(divide(collection(20, groups=7), 0))
    groups = [{example.group for example in part} for part in parts]
    assert all(groups)
    assert sum(map(len, groups)) == 7


def test_too_few_groups_are_refused() -> None:
    """Three parts need three groups."""
    with pytest.raises(DataError, match="there are 2 groups"):
        divide(collection(20, groups=2), 0)


def test_a_class_that_would_not_be_trained_on_is_refused() -> None:
    """Where one writer alone wrote a class, it may be in the wrong part."""
    image = np.zeros((28, 28), np.uint8)
    examples = [Example(Path(str(n)), "0", f"writer {n}", image) for n in range(3)]
    everyone = {divide(Collection(tuple(examples), ()), 0).train[0].group}
    alone = next(f"writer {n}" for n in range(3) if f"writer {n}" not in everyone)
    examples.append(Example(Path("x"), "z", alone, image))
    with pytest.raises(DataError, match=r"no picture of \['z'\]"):
        divide(Collection(tuple(examples), ()), 0)
