"""From a picture's bytes to an answer: prepare, run, decide. Synchronous; async_recogniser.py is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from service.errors import ServiceError
from service.preprocess import MAX_PIXELS, Prepared, preprocess, preprocess_at_once
from service.recognition.second_look import look_twice
from service.recognition.verdict import Judge, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.artifact import Manifest
    from service.model.session import Outputs
    from service.recognition.observer import Observer


class Answer(NamedTuple):
    """The answer to one picture.

    Attributes:
        image: uint8 [28, 28], what the network saw.
        logits: float32 [classes], of one pass or the mean of nine.
        prediction: the digit, or why there is none.
    """

    image: NDArray[np.uint8]
    logits: NDArray[np.float32]
    prediction: Prediction


class Recogniser:
    """Answers pictures with one model, one call at a time; training, tests and AsyncRecogniser use it.

    Args:
        run: uint8 images [N, 28, 28] to Outputs, one pass: `DigitSession.run` or anything like it.
        manifest: labels and thresholds.
        max_pixels: limit on a picture's width times height.
        observer: told of each picture and answer.
    """

    def __init__(
        self,
        run: Callable[[NDArray[np.uint8]], Outputs],
        manifest: Manifest,
        *,
        max_pixels: int = MAX_PIXELS,
        observer: Observer | None = None,
    ) -> None:
        self.manifest = manifest
        self._run = run
        self._judge = Judge(manifest)
        self._max_pixels = max_pixels
        self._observer = observer

    def picture(self, data: bytes) -> Answer:
        """Answer one encoded picture.

        Raises:
            PictureTooLarge, UndecodablePicture: the file is at fault.
        """
        return self.prepared([self.prepare(data)])[0]

    def pictures(self, files: Sequence[bytes]) -> list[Answer | ServiceError]:
        """Answer encoded pictures, in order; one that cannot be read has its error in its place."""
        prepared = [self.attempt(data) for data in files]
        return in_places(prepared, self.prepared(readable(prepared)))

    def prepared(self, prepared: Sequence[Prepared]) -> list[Answer]:
        """Answer pictures that went through preprocessing, in order."""
        if not prepared:
            return []
        return self.judge(prepared, look_twice(self._run, *stacked(prepared)))

    def images(self, images_u8: NDArray[np.uint8]) -> list[Answer]:
        """Answer images, uint8 [N, 28, 28], as if preprocessing had just made them."""
        return self.prepared([Prepared(image) for image in images_u8])

    def prepare(self, data: bytes) -> Prepared:
        """Bring an encoded picture to the network's input; raises as `picture`. Safe to call from several threads."""
        started = perf_counter()
        try:
            return preprocess(data, max_pixels=self._max_pixels)
        finally:
            if self._observer is not None:
                self._observer.picture(perf_counter() - started)

    def prepare_at_once(self, data: bytes) -> Prepared | None:
        """Prepare a picture if that is quick; raises as `picture`."""
        started = perf_counter()
        prepared = preprocess_at_once(data, max_pixels=self._max_pixels)
        if prepared is not None and self._observer is not None:
            self._observer.picture(perf_counter() - started)
        return prepared

    def attempt(self, data: bytes) -> Prepared | ServiceError:
        """Prepare a picture, or return what is wrong with it."""
        try:
            return self.prepare(data)
        except ServiceError as error:
            return error

    def judge(self, prepared: Sequence[Prepared], outputs: Outputs) -> list[Answer]:
        """Decide on N prepared pictures by their Outputs [N, classes], and tell the observer."""
        answers = []
        for one, logits, probabilities in zip(prepared, *outputs, strict=True):
            prediction = self._judge.decide(logits, probabilities, one.rejected)
            if self._observer is not None:
                self._observer.answer(one.image, prediction)
            answers.append(Answer(one.image, logits, prediction))
        return answers


def stacked(prepared: Sequence[Prepared]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return images uint8 [N, 28, 28], and bool [N]: which of them preprocessing has rejected."""
    images = prepared[0].image[np.newaxis] if len(prepared) == 1 else np.stack([one.image for one in prepared])
    return images, np.array([one.rejected is not None for one in prepared], bool)


def readable(prepared: Sequence[Prepared | ServiceError]) -> list[Prepared]:
    """Return the items that are no error."""
    return [one for one in prepared if isinstance(one, Prepared)]


def in_places(prepared: Sequence[Prepared | ServiceError], answers: Sequence[Answer]) -> list[Answer | ServiceError]:
    """Merge the answers of the readable items with the errors, in order."""
    rest = iter(answers)
    return [next(rest) if isinstance(one, Prepared) else one for one in prepared]
