"""The whole command: what is wrong is told, what is worse is not published, what is published gives nothing away."""

from __future__ import annotations

import json
import logging
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from samples import untrained_net
from sklearn.datasets import load_digits

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.settings import SHIPPED_MODEL
from training.data.mnist import Digits
from training.errors import DataError, GateError
from training.learn.adapt import Adaptation, Adapted
from training.publish import finetune as command
from training.publish.finetune import Finetuning, finetune
from training.publish.old_task import OldTask
from training.publish.parity import network_in

QUICK = Adaptation(epochs=3, patience=3, batch_size=16, replayed=32, learning_rate=0.003, replay_distillation=2.0)


def small_digits() -> Digits:
    """Return real handwriting that needs no download, 8x8, brought to 28x28."""
    found = load_digits()
    images = [Image.fromarray((image * 15.9).astype(np.uint8)).resize((20, 20)) for image in found.images[:800]]
    return Digits(
        torch.from_numpy(np.stack([np.pad(np.asarray(image), 4) for image in images])),
        torch.from_numpy(found.target[:800].astype(np.int64)),
    )


@pytest.fixture(autouse=True)
def old_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let scikit-learn's digits stand for MNIST."""
    digits = small_digits()
    monkeypatch.setattr(command, "load_old_task", lambda *_: OldTask(digits[:500], digits[500:650], digits[650:]))


@pytest.fixture
def job(tmp_path: Path) -> Finetuning:
    """Two new classes, crosses and rings, to teach a copy of the shipped model."""
    generator = random.Random(0)
    for number in range(20):
        draw(tmp_path / "mine" / "x" / f"{number}.png", generator)
        draw(tmp_path / "mine" / "ring" / f"{number}.png", generator)
    shutil.copytree(load_artifact(SHIPPED_MODEL).folder, tmp_path / "digits" / "1")
    return Finetuning(tmp_path / "mine", tmp_path / "digits", tmp_path / "run", tmp_path, QUICK, bound=2.0)


def draw(path: Path, generator: random.Random) -> None:
    """Draw a cross or two rings, each in its own way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Image.new("L", (120, 120), 255)
    pen, width = ImageDraw.Draw(canvas), generator.randint(6, 12)
    left, top, right, bottom = (
        generator.randint(15, 30),
        generator.randint(15, 30),
        *([generator.randint(88, 104)] * 2),
    )
    if path.parent.name == "x":
        pen.line([(left, top), (right, bottom)], 0, width)
        pen.line([(left, bottom), (right, top)], 0, width)
    else:
        pen.ellipse([left, top, right, bottom], None, 0, width)
        pen.line([(left, (top + bottom) // 2), (right, (top + bottom) // 2)], 0, width)
    canvas.save(path)


def test_new_classes_are_learnt_and_published_as_the_next_version(job: Finetuning) -> None:
    """Twelve labels, the new ones behind the old; and the manifest has counts and hashes, no name and no pixel."""
    target = finetune(job)
    assert target == job.model / "2"
    artifact = load_artifact(job.model)
    assert artifact.manifest.labels == (*"0123456789", "ring", "x")
    assert DigitSession(artifact, "cpu").run(np.zeros((3, 28, 28), np.uint8)).probabilities.shape == (3, 12)
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["data"]["pictures"]["classes"] == {"ring": 20, "x": 20}
    assert manifest["data"]["base"]["version"] == "1"
    assert manifest["gate"]["new"]["right_after"] > manifest["gate"]["new"]["right_before"] == 0
    assert str(job.pictures) not in json.dumps(manifest)
    assert {path.name for path in target.iterdir()} == {"model.onnx", "manifest.json", "README.md"}
    assert {path.name for path in job.model.iterdir()} == {"1", "2"}


def test_a_worse_model_is_not_published(job: Finetuning, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays in the run's folder, and the service's folder is as it was."""
    worse = Adapted(command.widen(untrained_net(), 12, 0), 1, 1.0, [])
    monkeypatch.setattr(command, "adapt", lambda *_: worse)
    with pytest.raises(GateError, match="not published"):
        finetune(job)
    assert [path.name for path in job.model.iterdir()] == ["1"]
    assert (job.run / "digits" / "2" / "model.onnx").exists()


def test_where_mnist_is_not_there_nothing_is_published_unasked(
    job: Finetuning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was forgotten is not known then, and the error says so."""
    monkeypatch.setattr(command, "load_old_task", lambda *_: None)
    with pytest.raises(GateError, match="could not be measured"):
        finetune(job)
    assert [path.name for path in job.model.iterdir()] == ["1"]


def test_a_dirty_folder_is_told_about_and_stops_before_any_training(
    job: Finetuning, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything that is wrong is logged; what cannot be trained on is one error."""
    (job.pictures / "x" / "notes.txt").write_text("no picture")
    shutil.copy(job.pictures / "x" / "0.png", job.pictures / "x" / "again.png")
    (job.pictures / "empty").mkdir()
    with caplog.at_level(logging.INFO), pytest.raises(DataError, match="empty class: empty: 0 usable"):
        finetune(job)
    assert "unreadable" in caplog.text
    assert "duplicate" in caplog.text
    assert not (job.run / "run.json").exists()


def test_disputed_labels_are_drawn_and_left_out_if_asked(job: Finetuning) -> None:
    """Zeros that are filed as ones are suspicious to a model that knows both: a sheet shows them."""
    shutil.rmtree(job.pictures)
    (job.pictures / "1").mkdir(parents=True)
    found = load_digits()
    for label, count in ((1, 20), (0, 8)):
        for number, pixels in enumerate(found.images[found.target == label][:count]):
            picture = Image.fromarray((255 - pixels * 15.9).astype(np.uint8)).resize((64, 64))
            picture.save(job.pictures / "1" / f"{label}-{number}.png")
    session = DigitSession(load_artifact(job.model), "cpu")
    kept = command.check(job, session)
    assert (job.run / "disputed.png").stat().st_size > 1000
    strict = Finetuning(**{**vars(job), "drop_disputed": True})
    assert len(command.check(strict, session).examples) < len(kept.examples)


def test_what_cannot_be_learnt_within_the_bounds_says_so(job: Finetuning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than that nothing is better: the remedy is another one."""
    kept = Adapted(command.widen(network_in(load_artifact(SHIPPED_MODEL)), 12, 0), 3, 0.0, [])
    monkeypatch.setattr(command, "adapt", lambda *_: kept)
    with pytest.raises(GateError, match=r"without losing more than 0.1 points .* --bound and --bound-others"):
        finetune(job)
    assert [path.name for path in job.model.iterdir()] == ["1"]
