"""From bytes to an answer: small pictures at once, large ones in a thread, and never more of them than allowed."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import service.recognition.admission
import service.recognition.recogniser
from service.errors import Overloaded, PictureTooLarge, ServiceError, UndecodablePicture
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import Prepared, preprocess
from service.recognition.async_recogniser import PICTURES_IN_A_ROW, AsyncRecogniser
from service.recognition.recogniser import Recogniser
from service.recognition.verdict import Prediction
from service.settings import SHIPPED_MODEL, Settings


@pytest.fixture
def recogniser() -> Iterator[AsyncRecogniser]:
    """The shipped model, with a limit of 100,000 pixels."""
    one = AsyncRecogniser(DigitSession(load_artifact(SHIPPED_MODEL), "cpu"), Settings(max_pixels=100_000))
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
    recogniser: AsyncRecogniser, side: int, kind: str
) -> None:
    """Where it is decoded is a matter of cost alone."""
    data = seven(side, kind)
    answer = asyncio.run(recogniser.picture(data)).prediction
    outputs = recogniser.session.run(preprocess(data).image[np.newaxis])
    assert answer.label == int(outputs.probabilities[0].argmax()) == 7
    assert answer.probabilities == pytest.approx(outputs.probabilities[0].tolist(), abs=1e-6)


def quick() -> bytes:
    """Give a seven in MNIST's own layout, as a PNG: nothing has to be looked for in it."""
    file = io.BytesIO()
    Image.fromarray(preprocess(seven(200)).image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("side", [28, 64, 65, 300])
def test_what_must_be_looked_at_is_looked_at_in_a_thread(
    recogniser: AsyncRecogniser, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """A picture that takes longer than a thread's wake-up never holds up the event loop; MNIST's layout does not."""
    threads: list[threading.Thread] = []

    def spy(data: bytes, **limits: Any) -> Prepared:
        threads.append(threading.current_thread())
        return preprocess(data, **limits)

    monkeypatch.setattr(service.recognition.recogniser, "preprocess", spy)

    async def scenario() -> None:
        await recogniser.picture(seven(side))
        assert len(threads) == 1
        assert threads[0] is not threading.main_thread()
        assert (await recogniser.picture(quick())).prediction.label == 7
        assert len(threads) == 1

    asyncio.run(scenario())


def test_errors_of_a_picture_reach_the_caller_from_the_thread_too(recogniser: AsyncRecogniser) -> None:
    """Too many pixels and no picture at all, each with its own error."""
    with pytest.raises(PictureTooLarge, match="100000"):
        asyncio.run(recogniser.picture(seven(400)))
    with pytest.raises(UndecodablePicture):
        asyncio.run(recogniser.picture(b"\x89PNG\r\n\x1a\n" + bytes(100)))
    with pytest.raises(UndecodablePicture):
        asyncio.run(recogniser.picture(b"GIF89a" + bytes(5000)))


def test_what_cannot_be_read_has_its_error_in_its_place(recogniser: AsyncRecogniser) -> None:
    """The others of a request are prepared all the same."""
    first, bad, last = asyncio.run(recogniser.prepare_all([seven(28), b"junk", seven(100)]))
    assert isinstance(first, Prepared)
    assert isinstance(bad, UndecodablePicture)
    assert isinstance(last, Prepared)


def test_many_small_pictures_leave_turns_to_other_requests(recogniser: AsyncRecogniser) -> None:
    """What is decoded on the event loop does not hold it for a whole request."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scenario() -> None:
        task = asyncio.create_task(other())
        await recogniser.prepare_all([quick()] * PICTURES_IN_A_ROW * 5)
        task.cancel()

    asyncio.run(scenario())
    assert turns == 5


def test_more_pictures_than_may_wait_are_refused(recogniser: AsyncRecogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds while decoding is slow, and is free again afterwards."""
    gate = threading.Event()

    def slow(data: bytes, **limits: Any) -> Prepared:
        gate.wait(10)
        return preprocess(data, **limits)

    monkeypatch.setattr(service.recognition.recogniser, "preprocess", slow)
    monkeypatch.setattr(service.recognition.admission, "AT_LEAST", 3)
    monkeypatch.setattr(service.recognition.admission, "LONGEST_WAIT_S", 0)

    async def scenario() -> None:
        waiting = [asyncio.ensure_future(recogniser.picture(seven(100))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="3 pictures wait to be decoded, the limit is 3"):
            await recogniser.picture(seven(100))
        gate.set()
        assert [answer.prediction.label for answer in await asyncio.gather(*waiting)] == [7, 7, 7]
        assert (await recogniser.picture(seven(100))).prediction.label == 7

    asyncio.run(scenario())


def test_the_plain_call_answers_as_the_waiting_one(recogniser: AsyncRecogniser) -> None:
    """Training judges by the very answers that are served: images, logits, verdicts and errors are the same."""
    plain = Recogniser(recogniser.session.run, recogniser.manifest, max_pixels=100_000)
    smear = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)).save(smear, "PNG")
    files = [seven(28), b"junk", seven(100, "JPEG"), smear.getvalue(), seven(400)]
    waited, called = asyncio.run(recogniser.pictures(files)), plain.pictures(files)
    for one, other in zip(waited, called, strict=True):
        if isinstance(one, ServiceError):
            assert (type(one), str(one)) == (type(other), str(other))
            continue
        assert not isinstance(other, ServiceError)
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_allclose(one.logits, other.logits, rtol=1e-4, atol=1e-4)
        assert (one.prediction.label, one.prediction.rejected) == (other.prediction.label, other.prediction.rejected)
    assert [isinstance(one, ServiceError) for one in called] == [False, True, False, False, True]


def test_the_observer_is_told_of_each_picture_and_answer(recogniser: AsyncRecogniser) -> None:
    """Recognition knows no metrics; whoever watches gets what it needs."""

    class Watcher:
        def __init__(self) -> None:
            self.pictures, self.answers = list[float](), list[Prediction]()

        def picture(self, seconds: float) -> None:
            self.pictures.append(seconds)

        def answer(self, image: NDArray[np.uint8], prediction: Prediction) -> None:
            assert image.shape == (28, 28)
            self.answers.append(prediction)

    watcher: Any = Watcher()
    plain = Recogniser(recogniser.session.run, recogniser.manifest, observer=watcher)
    answers = plain.pictures([seven(28), b"junk"])
    assert len(watcher.pictures) == 2
    assert [one.prediction for one in answers if not isinstance(one, ServiceError)] == watcher.answers
