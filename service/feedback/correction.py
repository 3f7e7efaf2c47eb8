"""One correction: what a picture shows, and what was answered."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self

NO_DIGIT: Final = "none"
"""How ids, forms and folders write that a picture shows no digit."""
SURE: Final = 0.95
"""From this confidence on, an answer that a correction contradicts makes the correction disputed."""
_ID: Final = re.compile(r"[A-Za-z0-9_]{1,16}-[0-9a-f]{24}")


class State(StrEnum):
    """What a person has decided about a correction; also the name of its folder."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


@dataclass(frozen=True)
class Correction:
    """What is stored about one correction beside the two pictures.

    Attributes:
        id: of this picture with this label; the same two have the same id wherever they come from.
        label: what the picture shows, a label of the model; None for "no digit".
        answered: the label that was answered; None where the picture was rejected.
        rejected: why it was rejected, or None.
        confidence: of the closest class, 0..1.
        model, version: who answered.
        time: when the correction came, UTC to the second, as ISO 8601.
        picture: the file name of the picture.
        picture_sha256: of the picture's file as it came, without its metadata.
        seen_sha256: of the 28x28 that the network saw.
    """

    id: str
    label: str | None
    answered: str | None
    rejected: str | None
    confidence: float
    model: str
    version: str
    time: str
    picture: str
    picture_sha256: str
    seen_sha256: str

    @property
    def confirms(self) -> bool:
        """Whether it agrees with the answer: the same digit, or "no digit" for a rejected picture."""
        return self.label == self.answered

    @property
    def contradicts_sure_answer(self) -> bool:
        """Whether the model was sure of another digit."""
        return not self.confirms and self.answered is not None and self.confidence >= SURE

    def to_json(self) -> dict[str, Any]:
        """Return it as `correction.json` holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: a field is missing, unknown or of another type.
        """
        try:
            found = cls(**content)
        except TypeError as error:
            raise ValueError(f"not a correction: {error}") from error
        optional = {"label", "answered", "rejected"}
        for name, value in asdict(found).items():
            good = isinstance(value, float | int) if name == "confidence" else isinstance(value, str)
            if not good and not (value is None and name in optional):
                raise ValueError(f"not a correction: {name} is {str(value)[:40]!r}")
        return found


@dataclass(frozen=True)
class Kept:
    """A correction in its folder.

    Attributes:
        disputed: why a person should look before anything learns from it, or None.
    """

    correction: Correction
    state: State
    disputed: str | None = None

    @property
    def teaches(self) -> bool:
        """Whether training may use it: accepted by a person, or not disputed."""
        return self.state is State.ACCEPTED or (self.state is State.WAITING and self.disputed is None)


def correction_id(label: str | None, picture: bytes) -> str:
    """Return the id of a picture with a label: the label, and a hash of both."""
    word = re.sub(r"[^A-Za-z0-9]+", "_", label)[:16] if label is not None else NO_DIGIT
    named = b"\x00" if label is None else b"\x01" + label.encode()
    return f"{word or '_'}-{hashlib.sha256(named + bytes(1) + picture).hexdigest()[:24]}"


def is_id(text: str) -> bool:
    """Tell whether this can be an id; nothing else may become part of a path."""
    return _ID.fullmatch(text) is not None


def with_disputes(found: list[tuple[Correction, State]]) -> list[Kept]:
    """Mark disputed corrections: the same picture has two labels, or the model was sure of another digit."""
    labels: dict[str, set[str | None]] = {}
    for one, state in found:
        if state is not State.DROPPED:
            labels.setdefault(one.seen_sha256, set()).add(one.label)
    return [Kept(one, state, _dispute(one, labels.get(one.seen_sha256, {one.label}))) for one, state in found]


def _dispute(one: Correction, labels: set[str | None]) -> str | None:
    if len(labels) > 1:
        return f"the same picture is called {' and '.join(sorted(each or NO_DIGIT for each in labels))}"
    if one.contradicts_sure_answer:
        return f"the model was {100 * one.confidence:.0f} % sure of {one.answered}"
    return None
