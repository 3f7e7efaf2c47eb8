"""What may be learnt from a feedback folder: what a person accepted or nothing speaks against, once, by its label."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import httpx
import numpy as np
import pytest
from corrections import MIB, correct, drawn, feedback_folder
from PIL import Image
from serving import StartServer

from service.contract import FORMATS
from service.feedback.correction import State
from service.feedback.store import FeedbackStore
from service.preprocess import preprocess
from training.data.feedback import read_feedback
from training.errors import DataError


def test_accepted_and_undisputed_corrections_teach_and_no_others(tmp_path: Path) -> None:
    """The label "none" stands for no digit; with `only_accepted`, waiting ones do not count."""
    store, generator = feedback_folder(tmp_path / "feedback"), random.Random(0)
    accepted = correct(store, drawn("x", generator), "4", State.ACCEPTED, confidence=0.99)
    waiting = correct(store, drawn("x", generator), None)
    correct(store, drawn("x", generator), "7", confidence=0.99)  # disputed: the model was sure
    correct(store, drawn("x", generator), "8", State.DROPPED)
    found = read_feedback(store.folder)
    assert {(each.path.parent.name, each.label) for each in found.collection.examples} == {
        (accepted, "4"),
        (waiting, "none"),
    }
    assert found.ids == {accepted, waiting}
    assert read_feedback(store.folder, only_accepted=True).ids == {accepted}
    told = found.describe()
    assert told["classes"] == {"4": 1, "none": 1}
    assert (told["accepted_by_a_person"], told["undisputed"]) == (1, 1)
    assert told["left_out"] == {"dropped": 1, "disputed": 1}
    assert told["answered_by"] == {"1": 2}


def test_the_manifest_gets_counts_and_hashes(tmp_path: Path) -> None:
    """Neither an id nor a path nor a time of day is in what a manifest holds."""
    store = feedback_folder(tmp_path / "feedback")
    made = correct(store, drawn("x", random.Random(0)), "4")
    told = json.dumps(read_feedback(store.folder).describe())
    assert made not in told
    assert str(tmp_path) not in told
    assert "T" not in told.replace("T", "", 0) or ":00+" not in told


def test_two_accepted_labels_of_one_picture_are_both_left_out(tmp_path: Path) -> None:
    """Not even a person's word makes a contradiction true; the finding says which."""
    store, picture = feedback_folder(tmp_path / "feedback"), drawn("x", random.Random(0))
    for label in ("4", "7"):
        correct(store, picture, label, State.ACCEPTED)
    found = read_feedback(store.folder)
    assert found.collection.examples == ()
    assert [finding.kind for finding in found.collection.findings] == ["contradiction"]


def test_what_preprocessing_rejects_is_told_where_it_should_be_a_digit(tmp_path: Path) -> None:
    """A blank picture cannot be taught as a 4; as no digit, it is answered rightly already."""
    from PIL import Image  # noqa: PLC0415

    store = feedback_folder(tmp_path / "feedback")
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    blank = (tmp_path / "blank.png").read_bytes()
    correct(store, blank, "4", State.ACCEPTED, answered=None)
    found = read_feedback(store.folder)
    assert [finding.kind for finding in found.collection.findings] == ["rejected"]
    store.delete_all()
    correct(store, blank, None, State.ACCEPTED, answered=None)
    assert read_feedback(store.folder).collection.findings == ()


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With what was expected."""
    with pytest.raises(DataError, match="DIGITS_FEEDBACK"):
        read_feedback(tmp_path / "nowhere")


def test_pictures_of_every_format_are_corrected_over_http_and_learnt_from(launch: StartServer, tmp_path: Path) -> None:
    """By an answer's id and by the picture; what is learnt is what the network saw of the file that was sent."""
    folder, seen = tmp_path / "feedback", {}
    server = launch(feedback=folder, feedback_per_minute=1000)
    with httpx.Client(base_url=server.url, timeout=20) as client:
        for number, each in enumerate(FORMATS):
            file = io.BytesIO()
            Image.open(io.BytesIO(drawn("x", random.Random(number)))).save(file, each.name)
            answer = client.post("/predict", content=file.getvalue()).raise_for_status()
            said = {"id": answer.headers["x-request-id"], "digit": 4}
            first = client.post("/feedback", json=said).raise_for_status().json()["id"]
            again = client.post("/feedback", files={"image": file.getvalue()}, data={"digit": "4"})
            assert again.raise_for_status().json()["id"] == first
            seen[first] = preprocess(file.getvalue()).image
    store = FeedbackStore(folder, 64 * MIB)
    for correction in seen:
        store.move(correction, State.ACCEPTED)
    examples = read_feedback(folder).collection.examples
    assert len(examples) == len(FORMATS)
    for one in examples:
        assert (one.label, np.array_equal(one.image, seen[one.path.parent.name])) == ("4", True)
