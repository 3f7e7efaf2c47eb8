"""The model in the repository: what its manifest claims, and real handwriting that needs no download."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import prepare
from service.recognition.second_look import look_twice
from training.publish.card import render_card

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models" / "digits"


@pytest.fixture(scope="module")
def session() -> DigitSession:
    """Open the shipped model as the service does."""
    return DigitSession(load_artifact(MODELS), "cpu")


def test_the_shipped_model_reads_scikit_learns_handwriting(session: DigitSession) -> None:
    """1,797 digits of other people, 8x8 pixels in 16 greys, as dark ink on white through the serving preprocessing."""
    digits = load_digits()
    pictures = np.rint(255 - digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack([prepare(picture).image for picture in pictures])
    answers = look_twice(session.run, images).logits.argmax(axis=1)
    assert (answers == digits.target).mean() > 0.92


def test_the_manifest_describes_the_file(session: DigitSession) -> None:
    """Hash, size, labels and layers are what the folder holds, and the card carries the manifest's own figures."""
    manifest, content = session.artifact.manifest, session.artifact.model_bytes
    extra = manifest.model_extra or {}
    assert hashlib.sha256(content).hexdigest() == manifest.sha256
    assert len(content) == extra["bytes"] < 120_000
    assert manifest.labels == tuple("0123456789")
    assert manifest.layers
    card = (session.artifact.folder / "README.md").read_text(encoding="utf-8")
    assert f"{100 * extra['metrics']['test']['accuracy']:.2f} %" in card
    assert str(ROOT) not in card
    assert str(ROOT).encode() not in content


def test_the_card_is_what_the_generator_writes() -> None:
    """A change of the card's text is made in the generator, and the shipped card follows it."""
    folder = MODELS / "1"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert (folder / "README.md").read_text(encoding="utf-8") == render_card(manifest, with_diagram=True)


def test_the_shipped_model_holds_what_the_project_promises(session: DigitSession) -> None:
    """At least 99.5 % of the MNIST test set, calibrated, proved equal to PyTorch and to the textbook."""
    extra = session.artifact.manifest.model_extra or {}
    assert extra["metrics"]["test"]["accuracy"] >= 0.995
    assert extra["metrics"]["test"]["ece"] <= 0.005
    cpu = next(each for each in extra["parity"]["providers"] if each["provider"] == "cpu")
    assert cpu["answers_compared"] == 10_000
    assert max(cpu["to_reference"], cpu["to_pytorch"]) < extra["parity"]["logit_tolerance"]


def test_the_shipped_model_has_the_accuracy_that_its_manifest_claims(session: DigitSession) -> None:
    """The MNIST test set, where it is there, gives the manifest's figures exactly, at one pass and at two."""
    data = pytest.importorskip("training.data.mnist")
    folder = data.data_folder()
    if not (folder / "MNIST" / "raw" / "t10k-images-idx3-ubyte").exists():
        pytest.skip("needs MNIST: set DIGITS_DATA to a folder with MNIST/raw in it")
    test = data.load_mnist(folder, train=False)
    parts, labels = np.array_split(test.images.numpy(), 100), test.labels.numpy()
    metrics = (session.artifact.manifest.model_extra or {})["metrics"]
    for name, run in (("one_look", session.run), ("test", partial(look_twice, session.run))):
        answers = np.concatenate([run(part).logits.argmax(axis=1) for part in parts])
        assert (answers == labels).mean() == pytest.approx(metrics[name]["accuracy"], abs=1e-9)
