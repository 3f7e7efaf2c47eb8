"""A worker's last answers with their pictures, in memory, so that users can correct them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST: Final = 4096
MOST_BYTES: Final = 64 * 2**20
SECONDS: Final = 15 * 60
OVERHEAD: Final = 2048  # bytes that one answer costs beside its picture: 784 of image, and objects

Key = tuple[str, int]
"""A request's id, and the picture's place in the request."""


class Answered(NamedTuple):
    """What was answered to one picture.

    Attributes:
        picture: the file as it came.
        image: uint8 [28, 28], what the network saw.
        answered: the label, or None where it was rejected, for the reason `rejected`.
        confidence: of the closest class, 0..1.
        model, version: who answered.
    """

    picture: bytes
    image: NDArray[np.uint8]
    answered: str | None
    rejected: str | None
    confidence: float
    model: str
    version: str


class RecentAnswers:
    """Answers by request id; the oldest are dropped if there are too many, too large or too old.

    A request's id may be the caller's own, so it may come twice; then nobody can tell which picture is meant, and
    neither is found.

    Args:
        most: answers, at most.
        most_bytes: of pictures with what belongs to them, at most.
        seconds: how long an answer is remembered.
        now: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._now = now
        self._answers: OrderedDict[Key, tuple[float, Answered | None]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def held_bytes(self) -> int:
        """The memory in use."""
        return self._bytes

    def add(self, request_id: str, place: int, answered: Answered) -> None:
        """Remember one answer."""
        key = (request_id, place)
        known = self._answers.pop(key, None)
        if known is not None:
            self._bytes -= _cost(known[1])
        entry = answered if known is None else None
        self._answers[key] = (self._now(), entry)
        self._bytes += _cost(entry)
        while len(self._answers) > self._most or self._bytes > self._most_bytes:
            self._forget_oldest()

    def find(self, request_id: str, place: int) -> Answered | None:
        """Return an answer, if it is remembered and its id was used only once."""
        self.expire()
        return self._answers.get((request_id, place), (0.0, None))[1]

    def expire(self) -> None:
        """Forget answers that are too old; also called periodically."""
        oldest = self._now() - self._seconds
        while self._answers and next(iter(self._answers.values()))[0] <= oldest:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, (_, entry) = self._answers.popitem(last=False)
        self._bytes -= _cost(entry)


def _cost(entry: Answered | None) -> int:
    return OVERHEAD + (len(entry.picture) if entry is not None else 0)
