"""Corrections for the tests of this folder."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.feedback.correction import Correction, correction_id
from service.feedback.recent import Answered
from service.feedback.store import FeedbackStore


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time that it is."""
        return self.now


def image(seed: int) -> NDArray[np.uint8]:
    """Return a picture as the network sees it, uint8 [28, 28]; another seed gives another one."""
    return np.random.default_rng(seed).integers(0, 256, (28, 28), np.uint8)


def png(seed: int) -> bytes:
    """Return the same picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image(seed)).save(file, "PNG")
    return file.getvalue()


def answer(seed: int, label: str | None = "1", confidence: float = 0.6) -> Answered:
    """Return an answer that may be corrected."""
    return Answered(png(seed), image(seed), label, None if label else "unsure", confidence, "digits", "1")


def correction(seed: int, label: str | None = "7", **other: object) -> Correction:
    """Return a correction of the picture."""
    fields: dict[str, object] = {
        "answered": "1",
        "rejected": None,
        "confidence": 0.6,
        "model": "digits",
        "version": "1",
        "time": "2026-01-02T03:04:05+00:00",
        "picture": "picture.png",
        **other,
    }
    return Correction(
        id=correction_id(label, png(seed)),
        label=label,
        picture_sha256=hashlib.sha256(png(seed)).hexdigest(),
        seen_sha256=hashlib.sha256(image(seed).tobytes()).hexdigest(),
        **fields,  # type: ignore[arg-type]
    )


def add(store: FeedbackStore, seed: int, label: str | None = "7", **other: object) -> Correction:
    """Keep a correction, which must be new."""
    made = correction(seed, label, **other)
    assert store.add(made, png(seed), image(seed))
    return made
