"""Your own pictures with their labels: read exactly as the service reads them, and checked before any training."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.errors import RequestError
from service.feedback.correction import NO_DIGIT, SURE
from service.model.session import DigitSession
from service.preprocess import preprocess
from training.data.folder import Answer
from training.errors import DataError

# Three to train on, one to validate and one to hold back: with fewer, a class is neither learnt nor judged.
MIN_PER_CLASS: Final = 5
NONE: Final = NO_DIGIT
"""The label, and the name of the folder, of pictures that show no digit."""
# A shipped model that is so sure of another label is right more often than the label, in a folder sorted by hand.
DISPUTED: Final = SURE


class Listed(NamedTuple):
    """A picture file that a folder or a CSV names."""

    path: Path
    label: str
    group: str


@dataclass(frozen=True)
class Example:
    """One usable picture: its label, its group (or ""), and `image` uint8 [28, 28], as the network sees it."""

    path: Path
    label: str
    group: str
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a collection; a `fatal` one must be corrected before training."""

    kind: str
    where: str
    detail: str
    fatal: bool = False

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.kind}: {self.where}: {self.detail}"


@dataclass(frozen=True)
class Collection:
    """The usable pictures, in the order of their paths, and everything that was found wrong."""

    examples: tuple[Example, ...]
    findings: tuple[Finding, ...]

    @property
    def labels(self) -> list[str]:
        """The labels that have usable pictures; numbers first, by value."""
        return sorted({example.label for example in self.examples}, key=label_order)

    def require_sound(self) -> None:
        """Raise DataError if anything fatal was found."""
        fatal = [str(finding) for finding in self.findings if finding.fatal]
        if fatal:
            raise DataError(f"these pictures cannot be trained on: {'; '.join(fatal)}.")

    def describe(self) -> dict[str, object]:
        """Return what a manifest may hold: counts and one hash, never a name or a pixel."""
        digests = sorted(hashlib.sha256(example.image.tobytes()).hexdigest() for example in self.examples)
        counts = Counter(example.label for example in self.examples)
        return {
            "pictures": len(self.examples),
            "classes": {label: counts[label] for label in self.labels},
            "sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        }


def label_order(label: str) -> tuple[bool, int, str]:
    """Sort key of labels: numbers by value, then words."""
    return (not label.isdecimal(), int(label) if label.isdecimal() else 0, label)


def read_collection(source: Path) -> Collection:
    """Read `<label>/<file>` below a folder, or a CSV with the columns path, label and, if there is one, group.

    Paths in a CSV are relative to it. Pictures that are unreadable, that the service would reject, or that are there
    twice are left out, each with a finding; so is every copy of a picture that stands under two labels.

    Raises:
        DataError: there is nothing to read.
    """
    listed = list(_from_csv(source) if source.is_file() else _from_folder(source))
    findings: list[Finding] = []
    readable = [example for one in listed if (example := _read(one, findings)) is not None]
    examples = without_copies(readable, findings)
    counts = Counter(example.label for example in examples)
    for label in sorted({one.label for one in listed} | _class_folders(source), key=label_order):
        if counts[label] < MIN_PER_CLASS:
            found = f"{counts[label]} usable pictures, expected {MIN_PER_CLASS} or more; add some, or remove the class"
            findings.append(Finding("too few" if counts[label] else "empty class", label, found, fatal=True))
    return Collection(tuple(examples), tuple(findings))


def disputed(session: DigitSession, collection: Collection) -> list[Answer]:
    """Return the pictures for which the model is confident of another label than the given one, which it knows."""
    labels = session.artifact.manifest.labels
    found = []
    for example in collection.examples:
        # One look: where that is as sure as this asks for, there is no second.
        probabilities = session.run(example.image[np.newaxis]).probabilities[0]
        said = labels[int(probabilities.argmax())]
        if example.label in labels and said != example.label and probabilities.max() >= DISPUTED:
            found.append(Answer(example.path, example.label, example.image, said))
    return found


def _from_folder(folder: Path) -> Iterator[Listed]:
    if not folder.is_dir():
        raise DataError(
            f"{folder} is neither a folder nor a CSV file; expected files such as {folder / '7' / 'mine.png'}."
        )
    paths = [path for path in sorted(folder.glob("*/**/*")) if path.is_file() and not path.name.startswith(".")]
    if not paths and not _class_folders(folder):
        raise DataError(f"{folder} holds no class folders; expected files like {folder / '7' / 'mine.png'}.")
    for path in paths:
        yield Listed(path, path.relative_to(folder).parts[0], "")


def _class_folders(source: Path) -> set[str]:
    return {path.name for path in source.iterdir() if path.is_dir()} if source.is_dir() else set()


def _from_csv(source: Path) -> Iterator[Listed]:
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns, content = rows.fieldnames or [], list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {source} as a CSV file in UTF-8: {error}.") from error
    if not {"path", "label"} <= set(columns):
        raise DataError(f"{source} has the columns {list(columns)}, expected path, label and perhaps group.")
    for row in content:
        path, label, group = ((row.get(name) or "").strip() for name in ("path", "label", "group"))
        yield Listed(source.parent / path, label, group)


def _read(one: Listed, findings: list[Finding]) -> Example | None:
    try:
        prepared = preprocess(one.path.read_bytes())
    except (OSError, RequestError) as error:
        findings.append(Finding("unreadable", str(one.path), str(error)))
        return None
    if prepared.rejected is not None:
        findings.append(Finding("rejected", str(one.path), f"the service would answer {prepared.rejected!r}"))
        return None
    return Example(one.path, one.label, one.group, prepared.image)


def without_copies(examples: list[Example], findings: list[Finding]) -> list[Example]:
    """Keep the first of equal pictures (compared as the network sees them, whatever their file format)."""
    first: dict[bytes, Example] = {}
    contradicted: set[bytes] = set()
    for example in examples:
        key = example.image.tobytes()
        known = first.setdefault(key, example)
        if known is not example and known.label == example.label:
            findings.append(Finding("duplicate", str(example.path), f"the same picture as {known.path}"))
        elif known is not example:
            found = f"{example.label!r} here, but {known.label!r} as {known.path}; both are left out"
            findings.append(Finding("contradiction", str(example.path), found))
            contradicted.add(key)
    return [example for key, example in first.items() if key not in contradicted]
