"""How many pictures may wait to be decoded: as many as are done soon, however long each takes."""

from __future__ import annotations

from time import perf_counter
from typing import Final

from service.errors import Overloaded

LONGEST_WAIT_S: Final = 1.0  # of the last one in the queue, as the last pictures went
AT_LEAST: Final = 64  # so many may wait, however long each takes
AT_MOST: Final = 1024  # whatever the average says: after quick files, such as damaged ones, slow ones may come
WEIGHT: Final = 0.05  # of the newest picture in the average


class Admission:
    """Counts the pictures that are decoded or wait for it, and refuses one that would wait too long.

    A drawing takes 2 ms and a photo 10: a fixed number would refuse the one too early or let the other wait too long.
    """

    def __init__(self) -> None:
        self._each_s = LONGEST_WAIT_S / AT_LEAST
        self._inside = 0
        self._last_done: float | None = None  # while others were waiting

    @property
    def limit(self) -> int:
        """How many may be inside now."""
        return min(max(AT_LEAST, int(LONGEST_WAIT_S / self._each_s)), AT_MOST)

    def enter(self) -> None:
        """Admit one picture.

        Raises:
            Overloaded: too many wait already.
        """
        if self._inside >= self.limit:
            raise Overloaded(f"{self._inside} pictures wait to be decoded, the limit is {self.limit}; try again soon")
        self._inside += 1

    def leave(self, *, is_done: bool) -> None:
        """Count one out; `is_done` is false for one whose request has ended before."""
        self._inside -= 1
        if is_done:
            now = perf_counter()
            if self._last_done is not None:
                self._each_s += WEIGHT * (now - self._last_done - self._each_s)
            self._last_done = now
        if not self._inside:  # until the next one comes, time says nothing
            self._last_done = None
