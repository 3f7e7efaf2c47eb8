"""Judge the shipped model on a folder of pictures, `<label>/<file>`, exactly as the service would answer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.contract import SIDE, SUFFIXES
from service.errors import RequestError
from service.model.session import DigitSession
from service.recognition.recogniser import Recogniser
from training.errors import DataError

SHEET_COLUMNS: Final = 6
SHEET_LIMIT: Final = 120
CELL, TITLE, GAP = 112, 15, 6  # pixels: a picture, the line above it, and what is between two


@dataclass(frozen=True)
class Answer:
    """One picture: what it shows (a digit, or another word for "no digit"), what the network saw and the answer."""

    path: Path
    label: str
    seen: NDArray[np.uint8]  # [28, 28]
    said: str  # a digit, or why none was given

    @property
    def right(self) -> bool:
        """A digit must be named; anything else must be rejected, for whatever reason."""
        return self.said == self.label if self.label.isdecimal() else not self.said.isdecimal()


@dataclass(frozen=True)
class Score:
    """How many pictures of one kind were answered rightly."""

    kind: str
    pictures: int
    right: int
    rejected: int

    @property
    def accuracy(self) -> float:
        """The share of right answers, 0..1."""
        return self.right / self.pictures


def answer_folder(session: DigitSession, folder: Path) -> list[Answer]:
    """Answer every picture below a folder, in the order of their names.

    Raises:
        DataError: there is no picture at any depth as `<label>/<file>`.
    """
    recogniser = Recogniser(session.run, session.artifact.manifest)
    answers = [_answer(recogniser, path) for path in _pictures(folder)]
    if not answers:
        raise DataError(
            f"no picture is in {folder}: expected files like {folder / '7' / 'mine.png'} "
            f"(the folder's name is the digit; {', '.join(SUFFIXES)})."
        )
    return answers


def scores(answers: list[Answer], folder: Path) -> list[Score]:
    """Count by kind, the path between the folder and the label (`photo/7/a.jpg` is of kind `photo`), and in all."""
    kinds: dict[str, list[Answer]] = {}
    for answer in answers:
        kinds.setdefault(str(answer.path.relative_to(folder).parent.parent), []).append(answer)
    found = [_score(kind, group) for kind, group in sorted(kinds.items())]
    return found if len(found) == 1 else [*found, _score("all", answers)]


def contact_sheet(answers: list[Answer], path: Path) -> int:
    """Draw what came in, what the network saw and what was said, for the wrong answers; returns how many there are."""
    wrong = [answer for answer in answers if not answer.right]
    draw_sheet(
        [
            Shown(thumbnail(one.path), f"{one.label}: {one.path.name[:14]}", one.seen, one.said)
            for one in wrong[:SHEET_LIMIT]
        ],
        path,
    )
    return len(wrong)


class Shown(NamedTuple):
    """One picture on a sheet: as it came, uint8 [H, W, 3], and as the network saw it, [28, 28] or [28, 28, 3]."""

    came: NDArray[np.uint8]
    came_title: str
    seen: NDArray[np.uint8]
    seen_title: str
    colour: str = "black"


def draw_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Draw pictures side by side with what the network saw, as a PNG."""
    rows = max(1, -(-len(shown) // SHEET_COLUMNS))
    width, height = CELL + GAP, TITLE + CELL + GAP
    sheet = Image.new("RGB", (2 * SHEET_COLUMNS * width + GAP, rows * height + GAP), "white")
    for number, one in enumerate(shown):
        down, right = divmod(number, SHEET_COLUMNS)
        came, seen = _tile(one.came, one.came_title, one.colour), _tile(one.seen, one.seen_title)
        for place, tile in ((2 * right, came), (2 * right + 1, seen)):
            sheet.paste(tile, (GAP + place * width, GAP + down * height))
    sheet.save(path)


def _tile(pixels: NDArray[np.uint8], title: str, colour: str = "black") -> Image.Image:
    """Draw one picture, as large as fits, below its title, which ends where the tile does."""
    tile = Image.new("RGB", (CELL, TITLE + CELL), "white")
    ImageDraw.Draw(tile).text((0, 0), title, colour, ImageFont.load_default(TITLE - 4))
    picture = Image.fromarray(pixels).convert("RGB")
    factor = CELL / max(picture.size)
    size = [max(1, round(side * factor)) for side in picture.size]
    tile.paste(picture.resize(size, Image.Resampling.NEAREST), (0, TITLE))
    return tile


def _pictures(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.parent != folder:
            yield path


def _answer(recogniser: Recogniser, path: Path) -> Answer:
    label = path.parent.name
    try:
        answer = recogniser.picture(path.read_bytes())
    except RequestError as error:
        return Answer(path, label, np.zeros((SIDE, SIDE), np.uint8), error.code)
    prediction = answer.prediction
    said = str(prediction.rejected) if prediction.label is None else recogniser.manifest.labels[prediction.label]
    return Answer(path, label, answer.image, said)


def _score(kind: str, answers: list[Answer]) -> Score:
    rejected = sum(not answer.said.isdecimal() for answer in answers)
    return Score(kind, len(answers), sum(answer.right for answer in answers), rejected)


def thumbnail(path: Path) -> NDArray[np.uint8]:
    """Return a small picture of a file, uint8 [H, W, 3], black where it cannot be read."""
    try:
        with Image.open(path) as picture:
            picture.thumbnail((CELL, CELL))
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return np.zeros((28, 28, 3), np.uint8)
