"""Corrections on disk: one folder each, inside a folder for its state.

    FOLDER/README.txt                              what this is
    FOLDER/waiting/7-3f2a…/correction.json         label, answer, model, time
                           picture.png             as it came, without metadata
                           seen.png                the 28x28 that the network saw
    FOLDER/accepted/…  FOLDER/dropped/…            the same, once a person has looked

A person may move or delete the folders of corrections by hand. A correction appears by one rename, so it is there whole
or not at all; who writes holds a lock, so several workers, and the training, may write at once.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from service.errors import ConfigurationError, NotFound, NotKept
from service.feedback.correction import Correction, Kept, State, is_id, with_disputes
from service.feedback.entry import RECORD, SEEN, as_png, read_entry, size_of, taken, write_file, written_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger("bentoml.service.feedback")

FREED: Final = 0.9  # share of the limit that is left when the oldest have gone
_LOCK, _BYTES, _BEGUN, _GOING = ".lock", ".bytes", ".begun-", ".going-"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_FIRST_OUT: Final = (State.DROPPED, State.WAITING, State.ACCEPTED)
_ABOUT: Final = """\
What people said of this service's answers. Each folder below waiting/ is one correction: the picture without its
metadata (picture.*), the 28x28 pixels that the network saw (seen.png), and what was answered and is right
(correction.json). Nothing here says who sent it. Move a folder to accepted/ or dropped/, or delete it, as you like;
training reads what is accepted, and what is waiting and undisputed: python -m training feedback FOLDER
"""


class FeedbackStore:
    """The corrections in a folder.

    Args:
        folder: where they are; made if it is not there.
        most_bytes: how much they may take; the oldest go first, those that a person has accepted last.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes

    def open(self) -> None:
        """Create the folder, and remove leftovers of killed processes.

        Raises:
            ConfigurationError: it cannot be made or written to, for another reason than a full disk.
        """
        try:
            with self._locked():
                for state in State:
                    (self.folder / state).mkdir(mode=0o700, exist_ok=True)
                self._sweep()
                if not (self.folder / "README.txt").exists():
                    write_file(self.folder / "README.txt", _ABOUT.encode())
        except OSError as error:
            if error.errno not in _FULL:
                raise ConfigurationError(
                    f"DIGITS_FEEDBACK={self.folder} cannot be used ({error.strerror}); name a folder to write in"
                ) from error
            logger.warning("%s: %s; corrections are refused until there is space", self.folder, error.strerror)

    def add(self, correction: Correction, picture: bytes, image_u8: NDArray[np.uint8]) -> bool:
        """Store a correction with its picture file and uint8 [28, 28]; return False if it exists already.

        Raises:
            NotKept: the disk is full or fails, or one correction alone is larger than the limit.
        """
        files = {
            correction.picture: picture,
            SEEN: as_png(image_u8),
            RECORD: json.dumps(correction.to_json(), indent=1, ensure_ascii=False).encode(),
        }
        size = taken(map(len, files.values()))
        if size > self._most_bytes:
            raise NotKept(f"the correction takes {size} bytes, DIGITS_FEEDBACK_MAX_MIB allows {self._most_bytes}")
        begun = self.folder / f"{_BEGUN}{secrets.token_hex(8)}"
        try:
            with self._locked():
                self._sweep()
                if self._place(correction.id) is not None:
                    return False
                self._make_room(size)
                begun.mkdir(mode=0o700)
                for name, content in files.items():
                    write_file(begun / name, content)
                (self.folder / State.WAITING).mkdir(mode=0o700, exist_ok=True)
                begun.rename(self.folder / State.WAITING / correction.id)
                self._count(size)
        except OSError as error:
            shutil.rmtree(begun, ignore_errors=True)
            raise NotKept(f"the correction could not be stored ({error.strerror}); try again later") from error
        return True

    def read(self) -> list[Kept]:
        """Return all corrections, newest first, without damaged ones and ones that are deleted meanwhile."""
        found: dict[str, tuple[Correction, State]] = {}
        for state in State:
            for entry in self._entries(state):
                correction = read_entry(entry)
                if correction is not None:
                    found[correction.id] = (correction, state)
        kept = with_disputes(list(found.values()))
        return sorted(kept, key=lambda each: (each.correction.time, each.correction.id), reverse=True)

    def path(self, correction_id: str) -> Path:
        """Return the folder of one correction.

        Raises:
            NotFound: there is none of this id.
        """
        found = self._place(correction_id) if is_id(correction_id) else None
        if found is None:
            raise NotFound(f"there is no correction {correction_id[:50]!r}; GET /feedback lists them")
        return found

    def move(self, correction_id: str, state: State) -> None:
        """Move a correction to another state.

        Raises:
            NotFound: there is none of this id.
            NotKept: the disk fails.
        """
        try:
            with self._locked():
                path = self.path(correction_id)
                (self.folder / state).mkdir(mode=0o700, exist_ok=True)
                path.rename(self.folder / state / path.name)
        except OSError as error:
            raise NotKept(f"the decision could not be stored ({error.strerror}); try again later") from error

    def delete(self, correction_id: str) -> None:
        """Remove one correction: at once from the list, a moment later from disk.

        Raises:
            NotFound: there is none of this id.
            NotKept: the disk fails.
        """
        try:
            with self._locked():
                self._remove(self.path(correction_id))
        except OSError as error:
            raise NotKept(f"the correction could not be deleted ({error.strerror})") from error

    def delete_all(self) -> int:
        """Remove every correction, and return how many there were.

        Raises:
            NotKept: the disk fails.
        """
        try:
            with self._locked():
                entries = [entry for state in State for entry in self._entries(state)]
                for entry in entries:
                    self._remove(entry)
                self._write_count(0)
        except OSError as error:
            raise NotKept(f"not all corrections could be deleted ({error.strerror})") from error
        return len(entries)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the writers' lock; a killed process releases it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove unfinished writes and deletions; their process was killed, or it would hold the lock."""
        for entry in os.scandir(self.folder):
            if entry.name.startswith((_BEGUN, _GOING)):
                shutil.rmtree(entry.path, ignore_errors=True)

    def _place(self, correction_id: str) -> Path | None:
        places = (self.folder / state / correction_id for state in State)
        return next((place for place in places if place.is_dir()), None)

    def _entries(self, state: State) -> list[Path]:
        try:
            return [
                Path(entry.path) for entry in os.scandir(self.folder / state) if entry.is_dir(follow_symlinks=False)
            ]
        except FileNotFoundError:
            return []

    def _remove(self, entry: Path) -> None:
        size = size_of(entry)
        going = self.folder / f"{_GOING}{secrets.token_hex(8)}"
        entry.rename(going)
        shutil.rmtree(going, ignore_errors=True)
        self._count(-size)

    def _make_room(self, size: int) -> None:
        """Remove the oldest until there is space, and some more, because each time all must be read."""
        counted = self._counted()
        if counted is not None and counted + size <= self._most_bytes:
            return
        entries = [
            (_FIRST_OUT.index(state), written_at(entry), size_of(entry), entry)
            for state in State
            for entry in self._entries(state)
        ]
        left = sum(taken for _, _, taken, _ in entries)
        self._write_count(left)  # people may have deleted some by hand
        if left + size <= self._most_bytes:
            return
        for _, _, freed, entry in sorted(entries):
            if left + size <= FREED * self._most_bytes or left == 0:
                break
            self._remove(entry)
            left -= freed

    def _counted(self) -> int | None:
        """Return the counted disk space; None if the count is unreliable after a full disk or a kill."""
        try:
            return int((self.folder / _BYTES).read_text())
        except (OSError, ValueError):
            return None

    def _count(self, change: int) -> None:
        before = self._counted()
        if before is not None:
            self._write_count(max(0, before + change))

    def _write_count(self, count: int) -> None:
        with suppress(OSError):  # what is half written is no number, and is counted anew
            (self.folder / _BYTES).write_text(str(count))
