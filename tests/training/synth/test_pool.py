"""The pool of synthetic pictures: repeatable, labelled, and never stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import stripes

from training.errors import DataError
from training.synth import pool
from training.synth.pool import NO_DIGIT, PoolPlan, load_pool

TINY = PoolPlan(photo=0, canvas=0, form=2, tight=2, hard=1, other=1, seed=3)
IMAGES, LABELS = stripes(10).images.numpy(), stripes(10).labels.numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one tiny pool."""
    folder = tmp_path_factory.mktemp("pool")
    load_pool(IMAGES, LABELS, TINY, folder, workers=1)
    return folder


def test_a_pool_is_made_once_and_the_same_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kept file is what would be made anew, and is used instead."""
    again = pool._make(next(task for task in pool._tasks(IMAGES, LABELS, TINY) if task.kind == "usps"))
    monkeypatch.setattr(pool, "make_pool", lambda *_: pytest.fail("made twice"))
    kept = load_pool(IMAGES, LABELS, TINY, folder, workers=1)
    np.testing.assert_array_equal(kept.images[kept.kinds == "usps"], again[0])
    assert kept.images.shape == (len(kept.labels), 28, 28)


def test_pictures_without_a_digit_are_labelled_so(folder: Path) -> None:
    """Digits keep their labels; blank paper, letters and the rest are NO_DIGIT; printed digits are not trained on."""
    kept = load_pool(IMAGES, LABELS, TINY, folder, workers=1)
    assert set(kept.labels[np.isin(kept.kinds, ["letters", "blank", "several"])]) == {NO_DIGIT}
    assert kept.labels[kept.kinds == "usps"].max() < NO_DIGIT
    assert "printed" not in kept.kinds


def test_another_plan_or_other_digits_are_another_pool() -> None:
    """Nothing stale is ever used: the name changes with the plan and with the pixels."""
    keys = {
        pool._key(IMAGES, LABELS, TINY),
        pool._key(IMAGES, LABELS, replace(TINY, seed=4)),
        pool._key(255 - IMAGES, LABELS, TINY),
        pool._key(IMAGES, LABELS[::-1], TINY),
    }
    assert len(keys) == 4


def test_a_damaged_pool_is_named(tmp_path: Path) -> None:
    """The error says which file to delete."""
    path = tmp_path / f"pool-{pool._key(IMAGES, LABELS, TINY)[:16]}.npz"
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match="delete it"):
        load_pool(IMAGES, LABELS, TINY, tmp_path, workers=1)
