"""The drift number: what it is for equal, shifted and too few answers, and that it adds up the workers."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from service.model.artifact import Statistics
from service.telemetry.drift import DriftWindow, add_drift, describe, stability_index

REFERENCE = Statistics(images=1000, class_shares=(0.5, 0.3, 0.2), ink_edges=(50, 100), ink_shares=(0.25, 0.5, 0.25))


def exposition(classes: tuple[int, ...], ink: tuple[int, ...]) -> str:
    """What prometheus_client writes for the windows of all workers together."""
    return "".join(
        f'digits_recent_answers{{bin="{number}",of="{of}"}} {count}.0\n'
        for of, counts in (("classes", classes), ("ink", ink))
        for number, count in enumerate(counts)
    )


def drift(text: str, name: str = "digits_drift") -> float:
    """Read one sample of an exposition."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def test_equal_distributions_have_no_drift() -> None:
    """Counts that are in proportion to the shares give an index of nearly 0."""
    assert stability_index((5000, 3000, 2000), REFERENCE.class_shares) == pytest.approx(0, abs=1e-6)


def test_the_index_follows_its_formula() -> None:
    """Two bins computed by hand: (0.8 − 0.5) ln(0.8 / 0.5) + (0.2 − 0.5) ln(0.2 / 0.5)."""
    by_hand = 0.3 * math.log(1.6) - 0.3 * math.log(0.4)
    assert stability_index((80_000, 20_000), (0.5, 0.5)) == pytest.approx(by_hand, rel=1e-3)


def test_an_empty_bin_gives_a_finite_number() -> None:
    """A class that never comes, and one that was never trained, are large but finite drifts."""
    assert 0.25 < stability_index((1000, 0), (0.5, 0.5)) < 10
    assert 0.25 < stability_index((500, 500), (1.0, 0.0)) < 10


def test_the_window_forgets_what_is_older_than_its_size() -> None:
    """After `size` further answers nothing of an earlier one is left in the counts."""
    window = DriftWindow(REFERENCE, size=10)
    for _ in range(7):
        window.add(0, 10)
    for _ in range(10):
        window.add(2, 784)
    assert window.classes == [0, 0, 10]
    assert window.ink == [0, 0, 10]


def test_ink_ranges_are_the_same_in_training_and_serving() -> None:
    """`describe` and `DriftWindow` put an image at an edge of a range into the same range."""
    generator = np.random.default_rng(0)
    images = (generator.random((200, 28, 28)) < generator.random((200, 1, 1))).astype(np.uint8) * 255
    labels = generator.integers(0, 10, 200)
    described = describe(images, labels, 10)
    window = DriftWindow(described)
    for image, label in zip(images, labels, strict=True):
        window.add(int(label), int(np.count_nonzero(image)))
    assert np.array(window.ink) / 200 == pytest.approx(np.array(described.ink_shares))
    assert np.array(window.classes) / 200 == pytest.approx(np.array(described.class_shares))
    assert described.images == 200


def test_images_of_few_ink_levels_still_give_increasing_edges() -> None:
    """Deciles that coincide are one edge, so that no range is empty by construction."""
    images = np.zeros((100, 28, 28), np.uint8)
    images[:50, 0, 0] = 255
    described = describe(images, np.arange(100) % 10, 10)
    assert list(described.ink_edges) == sorted(set(described.ink_edges))
    assert sum(described.ink_shares) == pytest.approx(1)


def test_a_class_without_training_data_has_its_place() -> None:
    """The last class may be missing from the labels, and still is one that the network may answer."""
    assert describe(np.zeros((4, 28, 28), np.uint8), np.zeros(4, int), 3).class_shares == (1.0, 0.0, 0.0)


def test_the_drift_is_the_larger_of_classes_and_ink() -> None:
    """Answers with the right classes and far too much ink are a drift, and both parts are told."""
    text = add_drift(exposition((500, 300, 200), (0, 0, 1000)), REFERENCE)
    ink = drift(text, 'digits_drift_part{of="ink"}')
    assert drift(text) == ink > 0.25
    assert drift(text, 'digits_drift_part{of="classes"}') < 0.01


def test_too_few_answers_are_no_drift() -> None:
    """A handful of answers says nothing: the number is NaN, on which no alert fires."""
    assert math.isnan(drift(add_drift(exposition((10, 0, 0), (10, 0, 0)), REFERENCE)))


def test_a_manifest_without_statistics_is_no_error() -> None:
    """A model of one's own need not describe its training data."""
    assert math.isnan(drift(add_drift("", None)))
