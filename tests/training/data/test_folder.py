"""Judging a folder of pictures: the service's own answers, counted by kind, and a sheet of the mistakes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.model.artifact import Thresholds, load_artifact
from service.model.session import DigitSession, Outputs
from training.data.folder import answer_folder, contact_sheet, scores
from training.errors import DataError

MODELS = Path(__file__).parents[3] / "models" / "digits"


@pytest.fixture(scope="module")
def session() -> DigitSession:
    """Open the shipped model."""
    return DigitSession(load_artifact(MODELS), "cpu")


def bar() -> Image.Image:
    """Draw a plain upright stroke: a one."""
    pixels = np.full((60, 60), 255, np.uint8)
    pixels[10:50, 28:33] = 0
    return Image.fromarray(pixels)


def test_right_wrong_and_damaged_pictures_are_counted(session: DigitSession, tmp_path: Path) -> None:
    """A one among the ones is right, among the sevens wrong; a damaged file is wrong and does not stop the rest."""
    for name in ("good/1/a.png", "bad/7/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        bar().save(tmp_path / name)
    (tmp_path / "bad/7/c.png").write_bytes(b"no picture")
    answers = answer_folder(session, tmp_path)
    assert [(answer.label, answer.said) for answer in answers] == [
        ("7", "1"),
        ("7", "undecodable_picture"),
        ("1", "1"),
    ]
    assert {score.kind: (score.right, score.pictures) for score in scores(answers, tmp_path)} == {
        "bad": (0, 2),
        "good": (1, 1),
        "all": (1, 3),
    }
    assert contact_sheet(answers, tmp_path / "sheet.png") == 2
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000


def test_a_doubtful_picture_is_judged_as_it_is_served(tmp_path: Path) -> None:
    """Unsure at first sight, and sure of something else nine times over."""

    def run(images: NDArray[np.uint8]) -> Outputs:
        logits = np.log([[0.4, 0.6]] if len(images) == 1 else [[0.9, 0.1]] * len(images)).astype(np.float32)
        return Outputs(logits, np.exp(logits))

    manifest = SimpleNamespace(labels=("0", "1"), thresholds=Thresholds(), digit_odds=None)
    session: Any = SimpleNamespace(run=run, artifact=SimpleNamespace(manifest=manifest))
    (tmp_path / "0").mkdir()
    bar().save(tmp_path / "0" / "a.png")
    assert answer_folder(session, tmp_path)[0].said == "0"


def test_a_picture_of_no_digit_is_right_when_it_is_rejected(session: DigitSession, tmp_path: Path) -> None:
    """A folder that is not named after a digit holds pictures that must be turned down."""
    (tmp_path / "nothing").mkdir()
    Image.new("L", (50, 50), 255).save(tmp_path / "nothing" / "blank.png")
    answers = answer_folder(session, tmp_path)
    assert answers[0].right
    assert answers[0].said == "blank"


def test_an_empty_folder_says_what_was_expected(session: DigitSession, tmp_path: Path) -> None:
    """The error shows the layout."""
    with pytest.raises(DataError, match="expected files like"):
        answer_folder(session, tmp_path)
