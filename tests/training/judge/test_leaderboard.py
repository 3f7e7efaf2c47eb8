"""The table of a model: what counts as right, as rejected, and as wrong but sure."""

from __future__ import annotations

import numpy as np
import pytest

from service.model.artifact import DigitOdds, Manifest, Thresholds
from service.model.session import Outputs
from training.judge.calibration import balanced
from training.judge.leaderboard import (
    Answers,
    Row,
    answer_all,
    calibration_error,
    from_json,
    leaderboard,
    table,
    to_json,
)
from training.synth.pool import NO_DIGIT, Pool

KINDS = ["pens|Spain|photo", "pens|Spain|canvas", "mail||", "mail||", "letters||", "letters||"]
LABELS = [1, 2, 3, 4, NO_DIGIT, NO_DIGIT]
POOL = Pool(np.zeros((6, 28, 28), np.uint8), np.array(LABELS), np.array(KINDS), np.zeros(6, bool))
ANSWERS = Answers(np.array([1, 7, 3, -1, 4, -1]), np.array([0.99, 0.95, 0.8, 0.3, 0.9, 0.2]))


def test_each_group_is_counted_by_what_it_shows() -> None:
    """A rejected digit is not right, a rejected sign is; a mistake counts as sure from 0.9 on."""
    rows = {row.name: row for row in leaderboard(ANSWERS, POOL)}
    assert rows["pens, Spain"] == Row("pens, Spain", digits=True, pictures=2, right=0.5, rejected=0.0, confident=0.5)
    assert rows["mail"] == Row("mail", digits=True, pictures=2, right=0.5, rejected=0.5, confident=0.0)
    assert rows["letters"] == Row("letters", digits=False, pictures=2, right=0.5, rejected=0.5, confident=0.5)
    assert rows["pens as photo"].right == 1
    assert rows["pens as canvas"].confident == 1


def test_the_means_give_every_source_the_same_weight() -> None:
    """Ways are no sources of their own; digits and signs have a mean each."""
    means = [row for row in leaderboard(ANSWERS, POOL) if row.name == "mean of the sources"]
    assert [(row.digits, row.pictures, row.right, row.rejected) for row in means] == [
        (True, 4, 0.5, 0.25),
        (False, 2, 0.5, 0.5),
    ]


def test_rows_survive_the_manifest_and_stand_in_the_table() -> None:
    """What is written is read again; signs have no column of right answers."""
    rows = leaderboard(ANSWERS, POOL)
    assert from_json(to_json(rows)) == rows
    text = table(rows)
    assert "| pens, Spain | 2 | 50.0 | 0.0 | 50.00 |" in text
    assert "| no digit: letters | 2 |  | 50.0 | 50.00 |" in text


def test_the_calibration_error_is_of_the_whole_answer() -> None:
    """Confidences that come true on average have none; a sign that gets an answer is wrong, however it is read."""
    weights = balanced(POOL)
    perfect = Answers(np.array([1, 2, 3, 4, -1, -1]), np.array([1.0, 1, 1, 1, 0, 0]))
    assert calibration_error(perfect, POOL, weights) == pytest.approx(0)
    sure_of_signs = Answers(np.array([1, 2, 3, 4, 4, 4]), np.ones(6))
    assert calibration_error(sure_of_signs, POOL, weights) == pytest.approx(0.5)


def test_pictures_are_answered_as_the_service_answers_them() -> None:
    """Thresholds and odds of the manifest count, and what preprocessing rejected stays rejected."""
    logits = np.full((6, 10), -9, np.float32)
    logits[np.arange(6), [1, 7, 3, 4, 4, 4]] = [9, 9, 9, -3, 9, 9]

    def run(images: np.ndarray) -> Outputs:
        assert len(images) == 6  # none is doubtful: one pass
        powers = np.exp(logits)
        return Outputs(logits, powers / powers.sum(1, keepdims=True))

    manifest = Manifest.model_construct(
        thresholds=Thresholds(max_energy=0.0), digit_odds=DigitOdds(slope=1.0, offset=0.0)
    )
    rejected = np.array([False] * 5 + [True])
    found = answer_all(run, manifest, Pool(POOL.images, POOL.labels, POOL.kinds, rejected))
    assert found.said.tolist() == [1, 7, 3, -1, 4, -1]
    assert found.confidence[0] == pytest.approx(1 / (1 + np.exp(-9)), rel=1e-4)
    assert found.confidence[3] < 0.1
    assert found.confidence[5] == 0
