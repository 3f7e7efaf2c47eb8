"""From a picture's bytes to an answer: preprocessing, batching, the network and the judgement, in one place."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from service.errors import Overloaded, ServiceError
from service.model.session import Outputs
from service.preprocess import Prepared, preprocess
from service.recognition.batcher import Batcher
from service.recognition.second_look import MOVES, average, find_doubtful, merge, moved
from service.recognition.verdict import Judge, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.session import DigitSession
    from service.recognition.observer import Observer
    from service.settings import Settings

INLINE_BYTES = 4096  # a PNG up to this size …
INLINE_PIXELS = 64 * 64  # … and this many pixels is decoded on the event loop: a thread's wake-up costs more
INLINE_IMAGES = 64  # a CPU runs so many on the event loop, in 1.1 ms: the hand-over to a thread and back costs 0.2 ms
PICTURES_IN_A_ROW = 8  # of one request, before the event loop turns to others
MAX_DECODING = 64  # pictures that are decoded or wait for it
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Classifier:
    """One model, ready to answer, for one event loop.

    Args:
        session: the open model.
        settings: batch, queue and picture limits.
        observer: told of each batch, picture and answer.
    """

    def __init__(self, session: DigitSession, settings: Settings, observer: Observer | None = None) -> None:
        self.session = session
        self.manifest = session.artifact.manifest
        self.judge = Judge(self.manifest)
        self.batcher = Batcher(
            session.run,
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            max_queue=settings.max_queue,
            max_inline=INLINE_IMAGES if session.provider == "cpu" else 0,
            observe=observer.batch if observer else None,
        )
        self._doubtful_at_once = max(1, settings.max_batch // len(MOVES))
        self._observer = observer
        self._max_pixels = settings.max_pixels
        self._decoders = ThreadPoolExecutor(max_workers=settings.threads + 1, thread_name_prefix="decode")
        self._decoding = 0

    async def classify_picture(self, data: bytes) -> Prediction:
        """Classify one encoded picture.

        Raises:
            PictureTooLarge, UndecodablePicture: the file is at fault.
            Overloaded: too much waits already.
        """
        return (await self.classify_prepared(data))[1]

    async def classify_prepared(self, data: bytes) -> tuple[Prepared, Prediction]:
        """Classify one encoded picture and return also what the network saw; raises as `classify_picture`."""
        prepared = await self.prepare(data)
        outputs = await self.classify_all([prepared])
        return prepared, self.decide(outputs.logits[0], outputs.probabilities[0], prepared)

    def decide(self, logits: NDArray[np.float32], probabilities: NDArray[np.float32], prepared: Prepared) -> Prediction:
        """Judge and count the answer to one picture; logits and probabilities are float32 [classes]."""
        prediction = self.judge.decide(logits, probabilities, prepared.rejected)
        if self._observer is not None:
            self._observer.answer(prepared.image, prediction)
        return prediction

    async def classify_tensors(self, images_u8: NDArray[np.uint8]) -> tuple[Outputs, NDArray[np.int64]]:
        """Classify and count uint8 [N, 28, 28] that the caller prepared; return also the winners, int64 [N].

        These are the network's own outputs, as `model.onnx` gives them anywhere.

        Raises:
            Overloaded: too much waits already.
        """
        outputs = await self.batcher.submit(images_u8)
        labels = outputs.probabilities.argmax(axis=1)
        if self._observer is not None:
            self._observer.tensors(images_u8, labels, outputs.probabilities)
        return outputs, labels

    async def classify_all(self, prepared: list[Prepared]) -> Outputs:
        """Classify one or more prepared pictures, the doubtful ones with a second look; Outputs [N, classes], in order.

        The copies go to the batcher in parts of one batch, so that a large request does not keep the others waiting.

        Raises:
            Overloaded: too much waits already; never once the first look was had.
        """
        images = prepared[0].image[np.newaxis] if len(prepared) == 1 else np.stack([one.image for one in prepared])
        first = await self.batcher.submit(images)
        unsure = [place for place in find_doubtful(first).tolist() if not prepared[place].rejected]
        if not unsure:
            return first
        doubtful = np.array(unsure, np.intp)
        parts = []
        for start in range(0, len(doubtful), self._doubtful_at_once):
            part = doubtful[start : start + self._doubtful_at_once]
            again = await self.batcher.submit(moved(images[part]), admitted=True)
            parts.append(average(first.logits[part], again.logits))
        return merge(first, doubtful, Outputs(*(np.concatenate(rows) for rows in zip(*parts, strict=True))))

    async def prepare(self, data: bytes) -> Prepared:
        """Bring an encoded picture to the network's input: small ones here and now, others in a thread."""
        if _is_small(data):
            return self._preprocess(data)
        if self._decoding >= MAX_DECODING:
            raise Overloaded(
                f"{self._decoding} pictures wait to be decoded, at most {MAX_DECODING} may; try again soon"
            )
        self._decoding += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, self._preprocess, data)
        finally:
            self._decoding -= 1

    async def prepare_all(self, pictures: list[bytes]) -> list[Prepared | ServiceError]:
        """Prepare many in a row; one that cannot be read has its error in its place."""
        prepared: list[Prepared | ServiceError] = []
        for number, data in enumerate(pictures, 1):
            try:
                prepared.append(await self.prepare(data))
            except ServiceError as error:
                prepared.append(error)
            if number % PICTURES_IN_A_ROW == 0:
                await asyncio.sleep(0)  # other requests, and this one's deadline, get their turn
        return prepared

    def _preprocess(self, data: bytes) -> Prepared:
        started = perf_counter()
        try:
            return preprocess(data, max_pixels=self._max_pixels)
        finally:
            if self._observer is not None:
                self._observer.picture(perf_counter() - started)

    def close(self) -> None:
        """End the threads."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self.batcher.close()


def _is_small(data: bytes) -> bool:
    """Tell by the header alone whether a PNG is so small that decoding it costs less than a thread's wake-up."""
    if len(data) > INLINE_BYTES or data[:8] != PNG_SIGNATURE:
        return False
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    return width * height <= INLINE_PIXELS
