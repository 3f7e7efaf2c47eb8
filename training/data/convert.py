"""Public files of handwriting, brought to the schema of training/data/hands.py: UNIPEN, optdigits, USPS, Omniglot."""

from __future__ import annotations

import bz2
import gzip
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import DataError

BOX: Final = 1000
"""Pens lie in 0 to 1000 along the longer side of the sign's own box."""

Arrays = dict[str, NDArray[np.generic]]


def read_usps(path: Path) -> Arrays:
    """Read USPS's training part: `zip.train` or `zip.train.gz` (label and 256 greys), or torchvision's `usps.bz2`.

    Raises:
        DataError: a line is of neither format.
    """
    openers: dict[str, Callable[[Path], bytes]] = {
        ".bz2": lambda file: bz2.decompress(file.read_bytes()),
        ".gz": lambda file: gzip.decompress(file.read_bytes()),
    }
    lines = openers.get(path.suffix, Path.read_bytes)(path).decode("ascii").splitlines()
    labels, rows = [], []
    for number, line in enumerate(lines, 1):
        label, *values = line.split()
        shift = 1 if ":" in line else 0  # libsvm's file counts the classes from 1
        greys = [float(value.partition(":")[2] or value) for value in values]
        if len(greys) != 256:
            raise DataError(f"{path}, line {number}, has {len(greys)} greys, expected 256; is it USPS's training part?")
        labels.append(str(int(float(label)) - shift))
        rows.append(greys)
    images = np.rint((np.array(rows) + 1) * 127.5).clip(0, 255).astype(np.uint8)
    return {"labels": np.array(labels), "images": images.reshape(-1, 16, 16)}


def read_optdigits(paths: Iterable[Path]) -> Arrays:
    """Read `optdigits-orig.*`: after a head, each digit is 32 lines of 32 zeros and ones, and a line with its label.

    Raises:
        DataError: the lines do not come out even.
    """
    labels, images = [], []
    for path in paths:
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        rows: list[str] = []
        for number, line in enumerate(lines, 1):
            if re.fullmatch("[01]{32}", line):
                rows.append(line)
            elif rows:
                if len(rows) != 32 or not line.isdecimal():
                    raise DataError(
                        f"{path}, line {number}: {len(rows)} rows of a digit and then {line!r}, "
                        "expected 32 rows and the label."
                    )
                labels.append(line)
                images.append([[255 * int(cell) for cell in row] for row in rows])
                rows = []
    return {"labels": np.array(labels), "images": np.array(images, np.uint8).reshape(-1, 32, 32)}


def read_pictures(folder: Path, side: int, *, dark: bool) -> Arrays:
    """Read `<label>/<file>` below a folder, such as Omniglot's `<script>/<character>/<file>`, as squares of one side.

    The label is the path between the folder and the file; `dark` says that the ink is dark and is turned bright.

    Raises:
        DataError: there is no picture.
    """
    labels, images = [], []
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L").resize((side, side), Image.Resampling.BOX))
        labels.append(str(path.parent.relative_to(folder)))
        images.append(255 - grey if dark else grey)
    if not images:
        raise DataError(f"there is no PNG file in {folder}, expected {folder / 'label' / 'name.png'}.")
    return {"labels": np.array(labels), "images": np.stack(images)}


@dataclass(frozen=True)
class PenSign:
    """One sign of a UNIPEN file: its label, strokes as float `[points, 2]` with y upward, and who wrote it."""

    label: str
    strokes: list[NDArray[np.float64]]
    writer: str
    country: str


def read_unipen(path: Path) -> Iterator[PenSign]:
    """Read the characters of one UNIPEN file: `.SEGMENT CHARACTER` names a range of the pen's components.

    A component is what lies between `.PEN_DOWN` and `.PEN_UP`, or between that and the next; only the former is ink.
    Source: I. Guyon, "UNIPEN 1.0 format definition" (1994). `.INCLUDE` files are not followed: give them too.
    """
    text = path.read_text(encoding="latin-1")
    components: list[tuple[bool, list[list[float]]]] = []
    segments: list[tuple[str, str]] = []
    head = {".COORD": "X Y", ".WRITER_ID": "", ".COUNTRY": ""}
    for line in map(str.strip, text.splitlines()):
        keyword, _, rest = line.partition(" ")
        if keyword in head:
            head[keyword] = rest.strip()
        elif keyword in (".PEN_DOWN", ".PEN_UP"):
            components.append((keyword == ".PEN_DOWN", []))
        elif found := re.match(r'\.SEGMENT\s+CHARACTER\s+(\S+)\s+\S*\s*"(.*)"', line):
            segments.append((found[1], found[2]))
        elif components and re.fullmatch(r"[-\d.\s]+", line):
            components[-1][1].append([float(number) for number in line.split()])
    columns = [head[".COORD"].split().index(axis) for axis in ("X", "Y")]
    for where, label in segments:
        inked = [components[place] for place in _places(where, path) if place < len(components)]
        strokes = [np.array(points)[:, columns] for down, points in inked if down and points]
        if strokes:
            yield PenSign(label, strokes, head[".WRITER_ID"], head[".COUNTRY"])


def pack_pens(signs: Iterable[PenSign]) -> Arrays:
    """Bring signs to the schema of pens: y downward, 0 to 1000 along the longer side of the sign's box."""
    signs = list(signs)
    writers = {name: number for number, name in enumerate(dict.fromkeys(sign.writer for sign in signs))}
    points: list[NDArray[np.int16]] = []
    lengths: list[int] = []
    for sign in signs:
        whole = np.concatenate(sign.strokes)
        low, size = whole.min(0), max(float(np.ptp(whole, axis=0).max()), 1e-9)
        for stroke in sign.strokes:
            scaled = (stroke - low) / size * BOX
            scaled[:, 1] = np.ptp(whole[:, 1]) / size * BOX - scaled[:, 1]
            points.append(np.rint(scaled).astype(np.int16))
            lengths.append(len(stroke))
    return {
        "labels": np.array([sign.label for sign in signs]),
        "points": np.concatenate(points),
        "stroke_lengths": np.array(lengths, np.int32),
        "strokes": np.array([len(sign.strokes) for sign in signs], np.int16),
        "writers": np.array([writers[sign.writer] for sign in signs], np.int32),
        "countries": np.array([sign.country for sign in signs]),
    }


def _places(where: str, path: Path) -> Iterator[int]:
    """Read "3-5,7" as component numbers; "3:10-5:20", which cuts into components, takes them whole."""
    for part in where.split(","):
        first, _, last = re.sub(r":\d+", "", part).partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise DataError(f"{path} has a .SEGMENT of {where!r}, expected component numbers like 3-5,7.")
        yield from range(int(first), int(last or first) + 1)


def convert(kind: str, sources: list[Path], target: Path) -> None:
    """Convert files of a kind, one of KINDS, to one file of hands."""
    arrays: dict[str, Any] = dict(KINDS[kind](sources))
    np.savez_compressed(target, **arrays)


KINDS: dict[str, Callable[[list[Path]], Arrays]] = {
    "usps": lambda paths: read_usps(paths[0]),
    "optdigits": read_optdigits,
    "omniglot": lambda paths: read_pictures(paths[0], 35, dark=True),
    "pictures": lambda paths: read_pictures(paths[0], 48, dark=False),
    "unipen": lambda paths: pack_pens(sign for path in paths for sign in read_unipen(path)),
}
"""Reader of each public format; "pictures" are any `<label>/<file>.png` with bright ink."""
