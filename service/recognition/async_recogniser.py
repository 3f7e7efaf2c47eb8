"""The server's recogniser: the same answers as Recogniser, with decoding in threads and batched runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np

from service.errors import ServiceError
from service.preprocess import Prepared
from service.recognition.admission import Admission
from service.recognition.batcher import Batcher
from service.recognition.recogniser import Answer, Recogniser, in_places, readable, stacked
from service.recognition.second_look import MOVES, looks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.session import DigitSession, Outputs
    from service.recognition.observer import Observer
    from service.settings import Settings

INLINE_BYTES: Final = 4096  # a PNG up to this size …
INLINE_PIXELS: Final = 64 * 64  # … and this many pixels is decoded on the event loop: a thread's wake-up costs more
INLINE_IMAGES: Final = 64  # a CPU runs so many on the event loop, in 1.1 ms: handing them to a thread costs 0.2 ms
PICTURES_IN_A_ROW: Final = 8  # of one request, before the event loop turns to others
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class AsyncRecogniser:
    """One model for one event loop. It gives `Recogniser`'s answers without blocking the loop.

    Args:
        session: the open model.
        settings: batch, queue and picture limits.
        observer: told of each batch, picture and answer.

    Attributes:
        session, manifest: the open model and what its folder says of it.
        batcher: the queue in front of the session.
    """

    def __init__(self, session: DigitSession, settings: Settings, observer: Observer | None = None) -> None:
        self.session = session
        self.manifest = session.artifact.manifest
        self.batcher = Batcher(
            session.run,
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            max_queue=settings.max_queue,
            max_inline=INLINE_IMAGES if session.provider == "cpu" else 0,
            observe=observer.batch if observer else None,
        )
        self._plain = Recogniser(session.run, self.manifest, max_pixels=settings.max_pixels, observer=observer)
        self._observer = observer
        self._doubtful_at_once = max(1, settings.max_batch // len(MOVES))
        self._decoders = ThreadPoolExecutor(max_workers=settings.threads + 1, thread_name_prefix="decode")
        self._admission = Admission()

    async def picture(self, data: bytes) -> Answer:
        """Answer one encoded picture.

        Raises:
            PictureTooLarge, UndecodablePicture: the file is at fault.
            Overloaded: too much waits already.
        """
        return (await self.prepared([await self.prepare(data)]))[0]

    async def pictures(self, files: Sequence[bytes]) -> list[Answer | ServiceError]:
        """Answer encoded pictures, in order; one that cannot be read has its error in its place.

        Raises:
            Overloaded: too much waits already.
        """
        prepared = await self.prepare_all(files)
        return in_places(prepared, await self.prepared(readable(prepared)))

    async def prepare_all(self, files: Sequence[bytes]) -> list[Prepared | ServiceError]:
        """Prepare many in a row; one that cannot be read has its error in its place."""
        prepared: list[Prepared | ServiceError] = []
        for number, data in enumerate(files, 1):
            try:
                prepared.append(await self.prepare(data))
            except ServiceError as error:
                prepared.append(error)
            if number % PICTURES_IN_A_ROW == 0:
                await asyncio.sleep(0)  # other requests, and this one's deadline, get their turn
        return prepared

    async def prepared(self, prepared: Sequence[Prepared]) -> list[Answer]:
        """Answer pictures that went through preprocessing, in order.

        Raises:
            Overloaded: too much waits already; never once the first look was had.
        """
        if not prepared:
            return []
        return self._plain.judge(prepared, await self._look(*stacked(prepared)))

    async def tensors(self, images_u8: NDArray[np.uint8]) -> tuple[Outputs, NDArray[np.int64]]:
        """Classify and count uint8 [N, 28, 28] that the caller prepared; return also the winners, int64 [N].

        These are the network's own outputs, as `model.onnx` gives them anywhere: one pass, no judgement.

        Raises:
            Overloaded: too much waits already.
        """
        outputs = await self.batcher.submit(images_u8)
        labels = outputs.probabilities.argmax(axis=1)
        if self._observer is not None:
            self._observer.tensors(images_u8, labels, outputs.probabilities)
        return outputs, labels

    async def prepare(self, data: bytes) -> Prepared:
        """Turn an encoded picture into the network's input: quick ones here, others in a thread."""
        if _is_small(data) and (prepared := self._plain.prepare_at_once(data)) is not None:
            return prepared
        self._admission.enter()
        is_done = True
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, self._plain.prepare, data)
        except asyncio.CancelledError:
            is_done = False
            raise
        finally:
            self._admission.leave(is_done=is_done)

    async def _look(self, images_u8: NDArray[np.uint8], settled: NDArray[np.bool_]) -> Outputs:
        steps = looks(images_u8, settled, self._doubtful_at_once)
        wanted, admitted = next(steps), False
        while True:
            outputs = await self.batcher.submit(wanted, admitted=admitted)
            admitted = True  # the request has waited its turn: its further looks are taken by a full queue too
            try:
                wanted = steps.send(outputs)
            except StopIteration as done:
                answer: Outputs = done.value
                return answer

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
