"""Feedback folders for the tests of training, as the service writes them."""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image, ImageDraw

from service.feedback.correction import State
from service.feedback.desk import FeedbackDesk
from service.feedback.recent import Answered
from service.feedback.store import FeedbackStore
from service.preprocess import preprocess

MIB = 2**20


def feedback_folder(folder: Path) -> FeedbackStore:
    """Make an empty feedback folder."""
    store = FeedbackStore(folder, 64 * MIB)
    store.open()
    return store


def drawn(shape: str, generator: random.Random) -> bytes:
    """Draw a cross or a ring with a bar, as a PNG file."""
    canvas = Image.new("L", (120, 120), 255)
    pen, width = ImageDraw.Draw(canvas), generator.randint(6, 12)
    left, top, right, bottom = (*(generator.randint(15, 30) for _ in range(2)), *(generator.randint(88, 104),) * 2)
    if shape == "x":
        pen.line([(left, top), (right, bottom)], 0, width)
        pen.line([(left, bottom), (right, top)], 0, width)
    else:
        pen.ellipse([left, top, right, bottom], None, 0, width)
        pen.line([(left, (top + bottom) // 2), (right, (top + bottom) // 2)], 0, width)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def correct(
    store: FeedbackStore,
    picture: bytes,
    label: str | None,
    state: State = State.WAITING,
    *,
    answered: str | None = "1",
    confidence: float = 0.6,
    version: str = "1",
) -> str:
    """Correct the answer to a picture, and decide about it; returns the correction's id."""
    desk = FeedbackDesk(store.folder, 64 * MIB, 60)
    image = preprocess(picture).image
    said = Answered(picture, image, answered, None if answered else "unsure", confidence, "digits", version)
    correction, _ = desk._keep(said, label)
    if state is not State.WAITING:
        store.move(correction.id, state)
    return correction.id
