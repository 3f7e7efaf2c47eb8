"""The metric files of several workers, allocated before use, so that a full disk cannot kill a worker.

prometheus_client maps a file of each process into memory and lets it grow. On a full disk a write into such a file is
SIGBUS, which ends the worker. Here a worker gets a slot, whose files are whole on disk when it starts; its successor
goes on in them, so that they do not grow in number either.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

KIB: Final = 1024
# As prometheus_client names them: kind of metric, number of the process. 1 MiB holds 360 pairs of route and status.
SIZES: Final = {
    "counter": 64 * KIB,
    "histogram": 1024 * KIB,
    "gauge_all": 64 * KIB,
    "gauge_livemax": 64 * KIB,
    "gauge_livesum": 64 * KIB,
    "gauge_max": 64 * KIB,
    "summary": 64 * KIB,
}
LASTING: Final = ("counter", "histogram", "gauge_max", "summary")  # what a worker leaves to its successor


class MetricFiles:
    """Slots in one folder.

    Args:
        folder: where the files lie; None: there is no such place, and each worker counts for itself.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._made: set[int] = set()
        self._taken: set[int] = set()

    def take(self) -> int | None:
        """Return a free slot, from 1, whose files are on disk; None if there is no space."""
        if self._folder is None:
            return None
        slot = min(set(range(1, len(self._taken) + 2)) - self._taken)
        if slot not in self._made:
            try:
                for kind, size in SIZES.items():
                    _allocate(self._path(kind, slot), size)
            except OSError:
                for kind in SIZES:
                    with suppress(OSError):
                        self._path(kind, slot).unlink(missing_ok=True)
                return None
            self._made.add(slot)
        self._taken.add(slot)
        return slot

    def give_back(self, slot: int | None) -> None:
        """Free the slot of a worker that has ended: its counters stay, its gauges do not."""
        if slot is None:
            return
        self._taken.discard(slot)
        for kind, size in SIZES.items():
            if kind not in LASTING:
                with suppress(OSError), self._path(kind, slot).open("r+b") as file:
                    file.write(bytes(size))

    def _path(self, kind: str, slot: int) -> Path:
        return Path(self._folder or "", f"{kind}_{slot}.db")


def _allocate(path: Path, size: int) -> None:
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS: written zeros take room as well
            file.write(bytes(size))
