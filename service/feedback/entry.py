"""The files of one correction, in a folder of its own."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from service.feedback.correction import Correction, is_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECORD: Final = "correction.json"
SEEN: Final = "seen.png"
ENTRY_BYTES: Final = 16384  # what a folder of small files takes on a disk at least; also bounds how many there can be


def read_entry(entry: Path) -> Correction | None:
    """Read a correction; None if it is damaged or gone."""
    try:
        found = Correction.from_json(json.loads((entry / RECORD).read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return found if found.id == entry.name and is_id(found.id) else None


def write_file(path: Path, content: bytes) -> None:
    """Write a new file that only this user may read, down to the disk."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def as_png(image_u8: NDArray[np.uint8]) -> bytes:
    """Write uint8 [height, width] as a grey PNG file."""
    file = io.BytesIO()
    Image.fromarray(image_u8).save(file, "PNG")
    return file.getvalue()


def taken(sizes: Iterable[int]) -> int:
    """Return the disk space of files of these sizes in a folder."""
    return ENTRY_BYTES + sum(sizes)


def size_of(entry: Path) -> int:
    """Return a correction's disk space; 0 if it is gone."""
    try:
        return taken(each.stat(follow_symlinks=False).st_size for each in os.scandir(entry))
    except OSError:
        return 0


def written_at(entry: Path) -> float:
    """Return when a correction was written, in seconds; 0 for a damaged one, so that it is deleted first."""
    try:
        return (entry / RECORD).stat().st_mtime
    except OSError:
        return 0.0
