"""What the network is unsure of is seen nine times: the mean of them, for the doubtful images and for no others."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from service.contract import Rejection
from service.model.artifact import load_artifact
from service.model.session import DigitSession, Outputs
from service.preprocess import Prepared
from service.recognition.async_recogniser import AsyncRecogniser
from service.recognition.recogniser import Answer
from service.recognition.second_look import MOVES, SURE, find_doubtful, look_twice, moved
from service.settings import SHIPPED_MODEL, Settings

Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def session() -> DigitSession:
    """The shipped model."""
    return DigitSession(load_artifact(SHIPPED_MODEL), "cpu")


@pytest.fixture(scope="module")
def images() -> Images:
    """Twelve images: six strokes that are a 1 beyond doubt, six smears that are nothing."""
    strokes = np.zeros((12, 28, 28), np.uint8)
    strokes[::2, 4:24, 13:16] = 255
    generator = np.random.default_rng(0)
    strokes[1::2, 8:20, 8:20] = generator.integers(0, 256, (6, 12, 12), dtype=np.uint8)
    return strokes


def outputs_of(answers: list[Answer]) -> Outputs:
    """What the answers were judged by."""
    probabilities = [answer.prediction.probabilities for answer in answers]
    return Outputs(np.stack([answer.logits for answer in answers]), np.array(probabilities, np.float32))


def test_copies_are_moved_by_one_pixel_each_way() -> None:
    """What is in the middle arrives one pixel away; what stood on the side is gone, and the other side is empty."""
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 10, 20], image[0, 0, 5], image[0, 27, 27] = 1, 2, 3
    copies = moved(image)
    assert copies.shape == (8, 28, 28)
    assert copies.flags.c_contiguous
    for (down, right), copy in zip(MOVES, copies, strict=True):
        assert copy[10 + down, 20 + right] == 1
        assert (copy == 2).sum() == (down >= 0)
        assert (copy == 3).sum() == (down <= 0 and right <= 0)
        rolled = np.roll(np.pad(image[0], 1), (down, right), (0, 1))[1:-1, 1:-1]
        np.testing.assert_array_equal(copy, rolled)


def test_below_nine_tenths_is_doubtful() -> None:
    """And so is every class that has no more."""
    probabilities = np.array([[0.899, 0.101], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.05, 0.95]], np.float32)
    assert find_doubtful(Outputs(np.log(probabilities), probabilities)).tolist() == [0, 3]


def test_only_the_doubtful_images_are_looked_at_again(session: DigitSession, images: Images) -> None:
    """The sure ones keep their outputs to the bit, the others get the mean of nine passes."""
    seen: list[int] = []

    def run(images_u8: Images) -> Outputs:
        seen.append(len(images_u8))
        return session.run(images_u8)

    first = session.run(images)
    doubtful = find_doubtful(first)
    assert len(doubtful) >= 3
    assert (doubtful % 2 == 1).all()
    twice = look_twice(run, images)
    assert seen == [12, 8 * len(doubtful)]
    sure = np.setdiff1d(np.arange(12), doubtful)
    np.testing.assert_array_equal(twice.logits[sure], first.logits[sure])
    np.testing.assert_array_equal(twice.probabilities[sure], first.probabilities[sure])
    for place in doubtful:
        looks = np.concatenate([images[place][None], moved(images[place][None])])
        mean = session.run(looks).logits.mean(axis=0)
        np.testing.assert_allclose(twice.logits[place], mean, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(twice.probabilities[place], np.exp(mean) / np.exp(mean).sum(), rtol=1e-3, atol=1e-5)
    assert np.abs(twice.logits[doubtful] - first.logits[doubtful]).max() > 0.1


def test_one_run_is_enough_for_the_sure(session: DigitSession, images: Images) -> None:
    """Where nothing is doubtful the network runs once."""
    runs: list[Outputs] = []

    def run(images_u8: Images) -> Outputs:
        runs.append(session.run(images_u8))
        return runs[-1]

    assert look_twice(run, images[::2]) is runs[0]
    assert len(runs) == 1
    assert runs[0].probabilities.max(axis=1).min() >= SURE


def test_a_doubtful_image_alone_gets_what_it_gets_in_a_batch(session: DigitSession, images: Images) -> None:
    """The company does not matter, in any order."""
    together = look_twice(session.run, images)
    for place, image in enumerate(images):
        alone = look_twice(session.run, image[None])
        np.testing.assert_allclose(alone.logits[0], together.logits[place], rtol=1e-4, atol=1e-4)
    backwards = look_twice(session.run, images[::-1])
    np.testing.assert_allclose(backwards.logits[::-1], together.logits, rtol=1e-4, atol=1e-4)


def test_pictures_are_looked_at_twice_and_tensors_are_not(session: DigitSession, images: Images) -> None:
    """The service's own answers use it, but where the ink said no; a tensor gets what the model file gives anywhere."""

    async def both() -> tuple[Outputs, Outputs]:
        reason = Rejection.SEVERAL_DIGITS
        prepared = [Prepared(image, reason if one in refused else None) for one, image in enumerate(images)]
        return outputs_of(await recogniser.prepared(prepared)), (await recogniser.tensors(images))[0]

    refused = find_doubtful(session.run(images))[1:3]
    recogniser = AsyncRecogniser(session, Settings())
    try:
        pictures, tensors = asyncio.run(both())
    finally:
        recogniser.close()
    once, twice = session.run(images), look_twice(session.run, images)
    for rows, one_look, both_looks in zip(pictures, once, twice, strict=True):
        expected = both_looks.copy()
        expected[refused] = one_look[refused]
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(tensors.logits, once.logits, rtol=1e-4, atol=1e-4)


def test_many_doubtful_pictures_do_not_crowd_the_others_out(session: DigitSession, images: Images) -> None:
    """Their copies come in parts of a batch, which a full queue takes too: their request was admitted before."""

    async def ask() -> Outputs:
        submit = recogniser.batcher.submit

        async def record(images_u8: Images, *, admitted: bool = False) -> Outputs:
            asked.append((len(images_u8), admitted))
            return await submit(images_u8, admitted=admitted)

        recogniser.batcher.submit = record  # type: ignore[method-assign]
        return outputs_of(await recogniser.prepared([Prepared(image) for image in many]))

    asked: list[tuple[int, bool]] = []
    doubtful = images[find_doubtful(session.run(images))]
    many = np.resize(doubtful, (20, 28, 28))
    recogniser = AsyncRecogniser(session, Settings(max_batch=64))
    try:
        outputs = asyncio.run(ask())
    finally:
        recogniser.close()
    assert asked == [(20, False), (64, True), (64, True), (32, True)]
    np.testing.assert_allclose(outputs.logits, look_twice(session.run, many).logits, rtol=1e-4, atol=1e-4)
