"""Pictures of real handwriting: every kind of file becomes pictures, the same again, and nobody's look-alike."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data.hands import Signs
from training.data.sources import SOURCES
from training.synth import mixture
from training.synth.drawing import PenSign, SmallPicture, cut_to_ink, in_unit_square
from training.synth.mixture import SHARES, HandsPlan, load_hands_pool, usable
from training.synth.pictures import render
from training.synth.pool import NO_DIGIT, Task

STROKES = [np.array([[0, 0], [300, 500], [0, 1000]], np.int16), np.array([[200, 300]], np.int16)]
SEVEN = np.pad(np.full((8, 6), 200, np.uint8), ((2, 6), (3, 7)))
PLAN = HandsPlan(unipen_signs=2.5, usps=1.0, patches=1.0)


def signs(name: str, labels: list[str]) -> Signs:
    """Make up a file."""
    pens = SOURCES[name].pens
    images = None if pens else np.stack([SEVEN] * len(labels))
    digest = hashlib.sha256(name.encode()).hexdigest()
    strokes = [STROKES for _ in labels] if pens else []
    return Signs(SOURCES[name], np.array(labels), images, strokes, np.full(len(labels), ""), digest)


HANDS = {
    "unipen_signs_train": signs("unipen_signs_train", ["A", "O", "H", "l"]),
    "usps_train": signs("usps_train", ["7", "7", "1"]),
    "patches_train": signs("patches_train", ["coins.png"]),
}


def test_each_file_gives_its_share_without_look_alikes(tmp_path: Path) -> None:
    """2.5 pictures of each of two letters, one of each digit; an O and an l are in neither class."""
    pool = load_hands_pool(HANDS, PLAN, tmp_path, workers=1)
    counts = {kind: int((pool.kinds == kind).sum()) for kind in ("unipen_signs", "usps", "patches")}
    assert counts == {"unipen_signs": 5, "usps": 3, "patches": 1}
    assert sorted(pool.labels[pool.kinds == "usps"].tolist()) == [1, 7, 7]
    assert set(pool.labels[pool.kinds != "usps"].tolist()) == {NO_DIGIT}
    assert pool.images.shape == (9, 28, 28)
    np.testing.assert_array_equal(load_hands_pool(HANDS, PLAN, tmp_path, workers=1).images, pool.images)


def test_other_hands_or_another_plan_are_another_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept pool is used again only for the same files and the same plan."""
    made: list[Path] = []
    monkeypatch.setattr(mixture, "kept", lambda path, *_: made.append(path))
    load_hands_pool(HANDS, PLAN, tmp_path, workers=1)
    load_hands_pool(HANDS, replace(PLAN, seed=1), tmp_path, workers=1)
    changed = {**HANDS, "usps_train": replace(HANDS["usps_train"], sha256="0" * 64)}
    load_hands_pool(changed, PLAN, tmp_path, workers=1)
    assert len(set(made)) == 3


def test_the_pictures_do_not_depend_on_how_many_workers_make_them() -> None:
    """A part of the pool made again, alone, is the same."""
    task = next(iter(mixture._tasks(HANDS["usps_train"], PLAN)))
    parts: list[Task] = [task]
    assert parts[0].kind == "usps"
    for one, other in zip(mixture._make(task), mixture._make(task), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", SHARES)
def test_every_scene_takes_pens_and_small_pictures(kind: str) -> None:
    """Something is written on each sheet, whatever it is written with."""
    for drawing in (
        PenSign(STROKES[:1], None, np.random.default_rng(1)),
        SmallPicture(cut_to_ink(SEVEN), np.random.default_rng(1)),
    ):
        picture = render(kind, drawing, np.random.default_rng(2))
        assert picture.dtype == np.uint8
        assert np.ptp(picture) > 10


def test_pen_strokes_lie_as_mnists_digits_do_and_stay_apart() -> None:
    """The longer side is 20 of 28, in the middle; no segment joins two strokes; a dot is a short one."""
    drawn = in_unit_square(STROKES)
    low, high = drawn.points.min(0), drawn.points.max(0)
    assert max(high - low) == pytest.approx(20 / 28, abs=1e-3)
    np.testing.assert_allclose((low + high) / 2, 0.5, atol=1e-3)
    assert drawn.edges.tolist() == [[0, 1], [1, 2], [3, 4]]


def test_faint_small_pictures_are_cut_and_stretched() -> None:
    """Ink of 30 levels in a corner becomes the whole picture at full strength."""
    faint = np.full((16, 16), 5, np.uint8)
    faint[2:10, 3:7] = 35
    found = cut_to_ink(faint)
    assert found.shape == (8, 4)
    assert found.max() == 255


def test_digits_stay_digits_even_where_a_letter_looks_the_same() -> None:
    """A file's "1" and "0" are used; only signs are left out as look-alikes."""
    assert len(usable(signs("unipen_digits_train", ["0", "1", "A"]))) == 3
