"""Learning from corrections: "no digit" too, few of them too, and never at the cost of what was known."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corrections import correct, drawn, feedback_folder
from test_finetune import QUICK, small_digits

from service.feedback.correction import State
from service.feedback.store import FeedbackStore
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import preprocess
from service.recognition.recogniser import Recogniser
from service.settings import SHIPPED_MODEL
from training.errors import DataError, GateError
from training.publish import finetune as command
from training.publish import watch as watching
from training.publish.finetune import Finetuning, finetune
from training.publish.old_task import OldTask
from training.publish.watch import DIARY, watch

FREE = replace(QUICK, forget=100, forget_others=100, new_weight=1)  # goes as far as it likes: the gate must see to it


def rings(count: int, seed: int) -> np.ndarray:
    """Return pictures without a digit as the network sees them, uint8 [N, 28, 28]."""
    generator = random.Random(seed)
    return np.stack([preprocess(drawn("ring", generator)).image for _ in range(count)])


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> OldTask:
    """Let scikit-learn's digits stand for MNIST, and rings for what is no digit."""
    digits = small_digits()
    made = OldTask(
        digits[:500],
        digits[500:650],
        digits[650:],
        others=torch.from_numpy(rings(30, 7)),
        others_test=(rings(40, 8), [None] * 40),
    )
    monkeypatch.setattr(command, "load_old_task", lambda *_: made)
    return made


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    """An empty feedback folder."""
    return feedback_folder(tmp_path / "feedback")


@pytest.fixture
def job(tmp_path: Path, store: FeedbackStore, old: OldTask) -> Finetuning:  # noqa: ARG001 - old puts itself in place
    """A fine-tuning of a copy of the shipped model by the feedback folder."""
    shutil.copytree(load_artifact(SHIPPED_MODEL).folder, tmp_path / "digits" / "1")
    return Finetuning(
        store.folder,
        tmp_path / "digits",
        tmp_path / "run",
        tmp_path,
        QUICK,
        bound=3.0,
        bound_others=50,
        is_feedback=True,
    )


def answers(folder: Path, shape: str, count: int = 20) -> list[str | None]:
    """Return what a version says of pictures that it never saw."""
    artifact, generator = load_artifact(folder), random.Random(99)
    recogniser = Recogniser(DigitSession(artifact, "cpu").run, artifact.manifest)
    found = [recogniser.picture(drawn(shape, generator)).prediction.label for _ in range(count)]
    return [None if label is None else artifact.manifest.labels[label] for label in found]


def test_no_digit_and_a_digit_are_learnt_at_once(job: Finetuning, store: FeedbackStore) -> None:
    """Crosses are said to be fours, and barred rings no digit; new ones are answered so afterwards."""
    generator = random.Random(0)
    for _ in range(25):
        correct(store, drawn("x", generator), "4", State.ACCEPTED)
        correct(store, drawn("ring", generator), None, State.ACCEPTED)
    target = finetune(job)
    crosses = [sum(said == "4" for said in answers(folder, "x")) for folder in (job.model / "1", target)]
    others = [sum(said is None for said in answers(folder, "ring")) for folder in (job.model / "1", target)]
    assert crosses[1] >= 18 > crosses[0]
    assert others[1] >= max(18, others[0])
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["labels"] == list("0123456789")
    assert manifest["data"]["pictures"]["classes"] == {"4": 25, "none": 25}
    assert manifest["gate"]["judged_on"] == "held back"
    assert manifest["gate"]["others"]["pictures"] == 40
    assert set(manifest["membership"]) == {"before calibration", "calibrated"}
    assert str(store.folder) not in json.dumps(manifest)


def test_a_single_correction_is_learnt_and_the_manifest_says_what_it_was_judged_on(
    job: Finetuning, store: FeedbackStore
) -> None:
    """One is too few to hold any back, but it may be what a person needs."""
    correct(store, drawn("x", random.Random(0)), "4", State.ACCEPTED)
    lenient = replace(job, bound=50, bound_others=100, how=FREE)  # three short epochs forget more than real ones
    manifest = json.loads((finetune(lenient) / "manifest.json").read_text())
    assert manifest["gate"]["judged_on"].startswith("what was learnt")
    assert manifest["data"]["pictures"]["parts"] == {"train": 1, "validation": 0, "held_back": 0}
    assert manifest["membership"] is None


def test_disputed_corrections_are_not_learnt_until_a_person_has_looked(job: Finetuning, store: FeedbackStore) -> None:
    """An attacker who contradicts sure answers teaches nothing; the error says what to do."""
    generator = random.Random(0)
    for _ in range(10):
        correct(store, drawn("x", generator), "4", confidence=0.99)
    with pytest.raises(DataError, match="10 corrections, but none to learn from"):
        finetune(job)


def test_what_lets_more_through_is_not_published(
    job: Finetuning, store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of "this is a 4" for what is no digit is stopped by the gate, whoever accepted it."""
    monkeypatch.setattr("training.publish.lesson.refit_energy", lambda *_: 100.0)
    generator = random.Random(0)
    for _ in range(10):
        correct(store, drawn("x", generator), "4", State.ACCEPTED)
    with pytest.raises(GateError, match="images without a digit are rejected, before"):
        finetune(replace(job, bound_others=1.0, how=FREE))
    assert [path.name for path in job.model.iterdir()] == ["1"]


def test_watching_learns_when_enough_is_new_and_writes_what_it_did(
    job: Finetuning, store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was tried once is not tried again; what was refused is written down with its reason."""
    nices: list[int] = []
    monkeypatch.setattr(watching.os, "nice", nices.append)

    def refuse() -> Path:
        raise GateError("not published: worse")

    outcomes: list[Callable[[], Path]] = [lambda: Path("models/2"), refuse]
    tried: list[Any] = []

    def learn(each: Finetuning) -> Path:
        tried.append(each)
        return outcomes[len(tried) - 1]()

    monkeypatch.setattr(watching, "finetune", learn)
    generator = random.Random(0)

    def more(_: float) -> None:
        correct(store, drawn("x", generator), "4")

    watch(job, enough=3, wait=more, rounds=9)
    diary = [json.loads(line) for line in (job.run / DIARY).read_text().splitlines()]
    assert [(line["new"], line.get("published"), line.get("refused")) for line in diary] == [
        (3, "2", None),
        (3, None, "not published: worse"),
    ]
    assert nices == [10]
    watch(Finetuning(**{**vars(job), "pictures": job.run / "none yet"}), wait=more, rounds=2)
