"""Receives corrections: finds the answer and stores the correction."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from service.errors import NotFound, Overloaded
from service.feedback.correction import Correction, correction_id
from service.feedback.metadata import without_metadata
from service.feedback.neighbours import Neighbours
from service.feedback.rate import ClientRate
from service.feedback.recent import SECONDS, Answered, RecentAnswers
from service.feedback.store import FeedbackStore

if TYPE_CHECKING:
    from service.model.artifact import Manifest
    from service.recognition.recogniser import Answer

LOOK_S: Final = 10.0  # how often what is too old is forgotten
WAITING: Final = 64  # jobs for the disk that may wait

Result = TypeVar("Result")


class FeedbackDesk:
    """Memory, disk and rates of one worker, for its event loop.

    Args:
        folder: of the corrections.
        most_bytes: that they may take on disk.
        per_minute: corrections that one client may send to this worker.

    Attributes:
        store: the corrections on disk; blocking, use `disk` for it.
        recent: this worker's last answers.
    """

    def __init__(self, folder: Path, most_bytes: int, per_minute: float) -> None:
        self.store = FeedbackStore(folder, most_bytes)
        self.recent = RecentAnswers()
        self._rate = ClientRate(per_minute)
        self._neighbours = Neighbours(folder, self.recent.find)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feedback")
        self._waiting = 0

    async def open(self) -> None:
        """Start; the folder must have been opened once, before any worker started."""
        await self._neighbours.open()
        self._forget()

    def close(self) -> None:
        """End."""
        self._forgetting.cancel()
        self._neighbours.close()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def remember(self, request_id: str, place: int, picture: bytes, answer: Answer, manifest: Manifest) -> None:
        """Keep an answer in memory for a while, in case it is corrected."""
        self.recent.add(request_id, place, answered(picture, answer, manifest))

    async def find(self, request_id: str, place: int) -> Answered:
        """Return the answer with an id, from any worker.

        Raises:
            NotFound: it is not remembered, or its id was used twice.
        """
        found = self.recent.find(request_id, place) or await self._neighbours.find(request_id, place)
        if found is None:
            raise NotFound(
                f"picture {place} of the answer {request_id[:50]!r} is not in memory: answers are kept for "
                f"{SECONDS // 60} minutes, less if many arrive, and not if two have the same id; "
                "send the picture with its label"
            )
        return found

    def admit(self, client: str) -> None:
        """Count one correction of a client, known by its network address.

        Raises:
            TooManyRequests: it sends too many.
        """
        self._rate.take(client)

    async def keep(self, answered: Answered, label: str | None) -> tuple[Correction, bool]:
        """Store a correction (None: no digit); the second value is False if it was stored already.

        Raises:
            NotKept: the disk is full.
            UndecodablePicture: the picture cannot be written without its metadata.
            Overloaded: too many wait for the disk.
        """
        return await self.disk(lambda: self._keep(answered, label))

    async def disk(self, job: Callable[[], Result]) -> Result:
        """Run a job on the store in the one thread for it.

        Raises:
            Overloaded: too many wait.
        """
        if self._waiting >= WAITING:
            raise Overloaded(f"{self._waiting} corrections wait for the disk, the limit is {WAITING}; try again soon")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, job)
        finally:
            self._waiting -= 1

    def _keep(self, answered: Answered, label: str | None) -> tuple[Correction, bool]:
        picture, suffix = without_metadata(answered.picture)
        correction = Correction(
            id=correction_id(label, picture),
            label=label,
            answered=answered.answered,
            rejected=answered.rejected,
            confidence=round(answered.confidence, 6),
            model=answered.model,
            version=answered.version,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            picture=f"picture{suffix}",
            picture_sha256=hashlib.sha256(picture).hexdigest(),
            seen_sha256=hashlib.sha256(answered.image.tobytes()).hexdigest(),
        )
        return correction, self.store.add(correction, picture, answered.image)

    def _forget(self) -> None:
        self.recent.expire()
        self._forgetting = asyncio.get_running_loop().call_later(LOOK_S, self._forget)


def answered(picture: bytes, answer: Answer, manifest: Manifest) -> Answered:
    """Return what may be stored of an answer."""
    label, reason = answer.prediction.label, answer.prediction.rejected
    return Answered(
        picture=picture,
        image=answer.image,
        answered=None if label is None else manifest.labels[label],
        rejected=None if reason is None else reason.value,
        confidence=answer.prediction.confidence,
        model=manifest.name,
        version=manifest.version,
    )
