"""From bytes to an answer: small pictures at once, large ones in a thread, and never more of them than allowed."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import service.recognition.recogniser
from service.errors import Overloaded, PictureTooLarge, UndecodablePicture
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import Prepared, preprocess
from service.recognition.recogniser import PICTURES_IN_A_ROW, Classifier
from service.settings import SHIPPED_MODEL, Settings


@pytest.fixture
def classifier() -> Iterator[Classifier]:
    """The shipped model, with a limit of 100,000 pixels."""
    one = Classifier(DigitSession(load_artifact(SHIPPED_MODEL), "cpu"), Settings(max_pixels=100_000))
    yield one
    one.close()


def seven(side: int, kind: str = "PNG") -> bytes:
    """A 7 in black on white."""
    canvas = Image.new("L", (side, side), 255)
    pixels = np.array(canvas)
    thickness = max(1, side // 10)
    top, left, right, bottom = side // 5, side // 4, side * 3 // 4, side * 4 // 5
    pixels[top : top + thickness, left:right] = 0
    for row in range(top, bottom):
        at = right - (row - top) * (right - left) // (2 * (bottom - top))
        pixels[row, at - thickness : at] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(("side", "kind"), [(28, "PNG"), (280, "PNG"), (280, "JPEG"), (28, "BMP")])
def test_a_picture_gets_the_same_answer_on_the_loop_and_in_a_thread(
    classifier: Classifier, side: int, kind: str
) -> None:
    """Where it is decoded is a matter of cost alone."""
    data = seven(side, kind)
    answer = asyncio.run(classifier.classify_picture(data))
    outputs = classifier.session.run(preprocess(data).image[np.newaxis])
    assert answer.label == int(outputs.probabilities[0].argmax()) == 7
    assert answer.probabilities == pytest.approx(outputs.probabilities[0].tolist(), abs=1e-6)


@pytest.mark.parametrize(("side", "off_the_loop"), [(28, False), (64, False), (65, True), (300, True)])
def test_only_small_pngs_are_decoded_on_the_event_loop(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, side: int, off_the_loop: bool
) -> None:
    """A picture that takes longer than a thread's wake-up never holds up the event loop."""
    threads: list[threading.Thread] = []

    def spy(data: bytes, **limits: Any) -> Prepared:
        threads.append(threading.current_thread())
        return preprocess(data, **limits)

    monkeypatch.setattr(service.recognition.recogniser, "preprocess", spy)
    asyncio.run(classifier.classify_picture(seven(side)))
    assert [thread is not threading.main_thread() for thread in threads] == [off_the_loop]


def test_errors_of_a_picture_reach_the_caller_from_the_thread_too(classifier: Classifier) -> None:
    """Too many pixels and no picture at all, each with its own error."""
    with pytest.raises(PictureTooLarge, match="100000"):
        asyncio.run(classifier.classify_picture(seven(400)))
    with pytest.raises(UndecodablePicture):
        asyncio.run(classifier.classify_picture(b"\x89PNG\r\n\x1a\n" + bytes(100)))
    with pytest.raises(UndecodablePicture):
        asyncio.run(classifier.classify_picture(b"GIF89a" + bytes(5000)))


def test_what_cannot_be_read_has_its_error_in_its_place(classifier: Classifier) -> None:
    """The others of a request are prepared all the same."""
    first, bad, last = asyncio.run(classifier.prepare_all([seven(28), b"junk", seven(100)]))
    assert isinstance(first, Prepared)
    assert isinstance(bad, UndecodablePicture)
    assert isinstance(last, Prepared)


def test_many_small_pictures_leave_turns_to_other_requests(classifier: Classifier) -> None:
    """What is decoded on the event loop does not hold it for a whole request."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario() -> None:
        task = asyncio.create_task(other())
        await classifier.prepare_all([seven(28)] * PICTURES_IN_A_ROW * 5)
        task.cancel()

    asyncio.run(scenario())
    assert turns == 5


def test_more_pictures_than_may_wait_are_refused(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds while decoding is slow, and is free again afterwards."""
    gate = threading.Event()

    def slow(data: bytes, **limits: Any) -> Prepared:
        gate.wait(10)
        return preprocess(data, **limits)

    monkeypatch.setattr(service.recognition.recogniser, "preprocess", slow)
    monkeypatch.setattr(service.recognition.recogniser, "MAX_DECODING", 3)

    async def scenario() -> None:
        waiting = [asyncio.ensure_future(classifier.classify_picture(seven(100))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="3 pictures wait to be decoded, at most 3 may"):
            await classifier.classify_picture(seven(100))
        gate.set()
        assert [answer.label for answer in await asyncio.gather(*waiting)] == [7, 7, 7]
        assert (await classifier.classify_picture(seven(100))).label == 7

    asyncio.run(scenario())
