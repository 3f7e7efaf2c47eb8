"""What a person is told of a feedback folder."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from corrections import correct, drawn, feedback_folder
from PIL import Image

from service.feedback.correction import State
from training.cli import main
from training.data.feedback import read_feedback
from training.judge.feedback_report import rated, wilson


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_the_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    """Figures of Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    assert wilson(right, of) == pytest.approx((low, high), abs=1e-4)


def test_the_command_tells_counts_versions_and_conflicts_and_draws_a_sheet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Confirmations count as right; what was dropped does not count."""
    store, generator = feedback_folder(tmp_path / "feedback"), random.Random(0)
    correct(store, drawn("x", generator), "1")
    correct(store, drawn("x", generator), "4", State.ACCEPTED)
    correct(store, drawn("x", generator), None, answered=None, version="2")
    correct(store, drawn("ring", generator), "9", State.DROPPED)
    disputed = correct(store, drawn("ring", generator), "8", confidence=0.97)
    sheet = tmp_path / "out" / "sheet.png"
    assert main(["feedback", str(store.folder), "--sheet", str(sheet)]) == 0
    told = capsys.readouterr().out
    assert "5 corrections: 3 waiting, 1 accepted, 1 dropped; 1 of the waiting are disputed" in told
    assert "version 1: 1 of 3 rated answers were right, 6 to 79 %" in told
    assert f"disputed: {disputed}: the model was 97 % sure of 1" in told
    assert "1  answered unsure, users say no digit" in told
    assert "the true share is higher" in told
    with Image.open(sheet) as picture:
        assert picture.width > 500
    assert [each.version for each in rated(read_feedback(store.folder).kept)] == ["1", "2"]


def test_an_empty_folder_is_told_about_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No sheet, no figure, no error."""
    feedback_folder(tmp_path / "feedback")
    assert main(["feedback", str(tmp_path / "feedback"), "--sheet", str(tmp_path / "sheet.png")]) == 0
    told = capsys.readouterr().out
    assert "0 corrections" in told
    assert not (tmp_path / "sheet.png").exists()
