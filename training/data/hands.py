"""Handwriting beside MNIST: digits and signs by people of many countries, as the files below DIGITS_DATA/hands.

Each file is a NumPy archive. `labels` str `[N]` are "0" to "9" for digits and the sign's name for anything else.

Pictures: `images` uint8 `[N, H, W]`, ink bright on black (the Swiss ones: dark on near-white).
Pens: `points` int16 `[P, 2]`, x to the right and y downward, 0 to 1000 in the sign's own box; `stroke_lengths` int32
`[S]`, points of each stroke; `strokes` int16 `[N]`, strokes of each sign; `writers` int32 `[N]`; `countries` str `[N]`.

docs/data.md says where each comes from, under which terms, and how to make the file.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.sources import SOURCES, Source
from training.errors import DataError

HANDS_FOLDER: Final = "hands"
CHECKSUMS: Final = "SHA256SUMS"

Points = NDArray[np.int16]


@dataclass(frozen=True)
class Signs:
    """One file: `labels` str `[N]`, and of each sign either its picture or its pen strokes.

    Attributes:
        source: which file.
        labels: str `[N]`.
        images: uint8 `[N, H, W]`, or None for pens.
        pens: for each sign a list of strokes, int16 `[points, 2]`; empty for pictures.
        countries: str `[N]` as the writers gave them; "" where unknown.
        sha256: of the file.
    """

    source: Source
    labels: NDArray[np.str_]
    images: NDArray[np.uint8] | None
    pens: list[list[Points]]
    countries: NDArray[np.str_]
    sha256: str = field(repr=False)

    def __len__(self) -> int:
        """Return the number of signs."""
        return len(self.labels)


def load_hands(data: Path, names: Iterable[str]) -> dict[str, Signs]:
    """Load files by name, such as "usps_train", from the folder `hands` below the data folder.

    Raises:
        DataError: one is missing, damaged, or other than `SHA256SUMS` beside it says.
    """
    folder = data / HANDS_FOLDER
    names = list(names)
    missing = [name for name in names if not (folder / f"{name}.npz").is_file()]
    if missing:
        listed = "; ".join(f"{name}.npz ({SOURCES[name].what})" for name in missing)
        raise DataError(
            f"{folder} lacks {listed}. docs/data.md says how to get each. "
            "`train --without-hands` needs none of them, but its model reads fewer people's digits."
        )
    sums = _checksums(folder)
    return {name: _load(folder / f"{name}.npz", SOURCES[name], sums) for name in names}


def describe_hands(hands: Iterable[Signs]) -> list[dict[str, object]]:
    """Return what a manifest says of each file: name, count, hash, terms and credit."""
    return [
        {
            "name": signs.source.name,
            "what": signs.source.what,
            "pictures": len(signs),
            "sha256": signs.sha256,
            "terms": signs.source.terms,
            "credit": signs.source.credit,
        }
        for signs in hands
    ]


def _checksums(folder: Path) -> dict[str, str]:
    """Read `SHA256SUMS`, if there is one: files that somebody made again have other hashes, and need none."""
    path = folder / CHECKSUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {name.lstrip("*").strip(): digest for digest, name in pairs}


def _load(path: Path, source: Source, sums: dict[str, str]) -> Signs:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    expected = sums.get(path.name, digest)
    if digest != expected:
        raise DataError(
            f"{path} has the SHA-256 {digest}, {CHECKSUMS} beside it says {expected}; "
            "get the file again, or correct the list if you made it anew."
        )
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return _read(arrays, source, digest)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged or of another schema ({error}); docs/data.md has the schema.") from error


def _read(arrays: dict[str, NDArray[np.generic]], source: Source, digest: str) -> Signs:
    labels = np.asarray(arrays["labels"], np.str_)
    if not source.pens:
        images = arrays["images"]
        if images.dtype != np.uint8 or images.ndim != 3 or len(images) != len(labels):
            raise ValueError(
                f"`images` is {images.dtype} {images.shape}, expected uint8 [{len(labels)}, H, W] as of `labels`"
            )
        return Signs(source, labels, np.asarray(images, np.uint8), [], np.full(len(labels), ""), digest)
    points = np.asarray(arrays["points"], np.int16)
    lengths, strokes = np.asarray(arrays["stroke_lengths"], int), np.asarray(arrays["strokes"], int)
    if len(strokes) != len(labels) or strokes.sum() != len(lengths) or lengths.sum() != len(points):
        raise ValueError(
            f"{len(labels)} labels, {len(strokes)} signs of {strokes.sum()} strokes, {len(lengths)} strokes of "
            f"{lengths.sum()} points, {len(points)} points: these must agree"
        )
    parts = np.split(points, lengths.cumsum()[:-1])
    ends = strokes.cumsum()
    pens = [parts[end - count : end] for end, count in zip(ends.tolist(), strokes.tolist(), strict=True)]
    return Signs(source, labels, None, pens, np.asarray(arrays["countries"], np.str_), digest)
