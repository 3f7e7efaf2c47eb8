"""The judgement: a digit, or a reason why none, and never both."""

from __future__ import annotations

import numpy as np
import pytest

from service.model.artifact import Manifest
from service.recognition.verdict import Judge, energy


def judge(
    min_confidence: float | None = None, max_energy: float | None = None, odds: dict[str, float] | None = None
) -> Judge:
    """A judge with these thresholds."""
    return Judge(
        Manifest.model_validate(
            {
                "name": "digits",
                "version": "1",
                "sha256": "0" * 64,
                "inputs": [],
                "outputs": [],
                "labels": [str(n) for n in range(10)],
                "temperature": 1,
                "thresholds": {"min_confidence": min_confidence, "max_energy": max_energy},
                "digit_odds": odds,
            }
        )
    )


def outputs(*logits: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits padded to ten classes, and their softmax."""
    row = np.array([*logits, *[0.0] * (10 - len(logits))], np.float32)
    exponentials = np.exp(row - row.max())
    return row, (exponentials / exponentials.sum()).astype(np.float32)


def test_the_most_probable_class_wins() -> None:
    """Label and confidence are the arg-max and its probability."""
    logits, probabilities = outputs(0, 0, 5)
    answer = judge().decide(logits, probabilities)
    assert (answer.label, answer.rejected) == (2, None)
    assert answer.confidence == pytest.approx(float(probabilities[2]))
    assert sum(answer.probabilities) == pytest.approx(1)


@pytest.mark.parametrize("ink", ["blank", "several_digits"])
def test_what_the_ink_says_comes_first(ink: str) -> None:
    """A confident network does not overrule that there is no single digit; its probabilities are still given."""
    answer = judge().decide(*outputs(9), ink)  # type: ignore[arg-type]
    assert (answer.label, answer.rejected) == (None, ink)
    assert answer.confidence == 0
    assert len(answer.probabilities) == 10


def test_thresholds_reject_what_is_unlike_a_digit_or_unsure() -> None:
    """High energy means not a digit; low confidence means unsure; a threshold that is not set rejects nothing."""
    weak, strong = outputs(1, 0.9), outputs(12)
    assert judge(max_energy=-5).decide(*weak).rejected == "not_a_digit"
    assert judge(max_energy=-5).decide(*strong).rejected is None
    assert judge(min_confidence=0.5).decide(*weak).rejected == "unsure"
    assert judge(min_confidence=0.5).decide(*strong).rejected is None
    assert judge().decide(*weak).rejected is None


def test_energy_is_the_negative_log_sum_of_exponentials_without_overflow() -> None:
    """The textbook formula, also where exp alone would overflow."""
    logits = np.array([1.0, 2.0, 3.0], np.float32)
    assert energy(logits) == pytest.approx(-np.log(np.exp([1.0, 2.0, 3.0]).sum()))
    assert energy(np.array([1000.0, 0.0], np.float32)) == pytest.approx(-1000)


def test_the_confidence_is_of_the_whole_answer() -> None:
    """That it is a digit, times that it is this one: what looks like no digit is not sure, however clear the winner."""
    odds = {"slope": 2.0, "offset": -6.0}
    digit, letter = outputs(12), outputs(3, *[-9] * 9)
    sure, unlike = judge(odds=odds).decide(*digit), judge(odds=odds, max_energy=-5).decide(*letter)
    assert sure.confidence == pytest.approx(float(digit[1].max()), rel=1e-6)
    assert max(unlike.probabilities) > 0.999
    assert unlike.confidence == pytest.approx(0.5, abs=0.01)  # the energy is -3, where the odds are even
    assert unlike.rejected == "not_a_digit"


def test_unsure_is_judged_by_the_confidence_of_the_whole_answer() -> None:
    """A clear winner of a picture that is hardly a digit is not sure enough; extreme odds do not overflow."""
    letter = outputs(3, *[-9] * 9)
    assert judge(min_confidence=0.6).decide(*letter).rejected is None
    assert judge(min_confidence=0.6, odds={"slope": 2.0, "offset": -6.0}).decide(*letter).rejected == "unsure"
    extreme = judge(odds={"slope": 1e6, "offset": 0.0})
    assert extreme.decide(*outputs(-5, *[-5] * 9)).confidence == pytest.approx(0)
    assert extreme.decide(*outputs(9)).confidence > 0.99
