"""What the routes of corrections take and answer; the API's description is derived from these types."""

from __future__ import annotations

from typing import Annotated, Final, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from service.api.picture_bodies import Picture
from service.api.schemas import Fact
from service.contract import MAX_PICTURES
from service.feedback.correction import State

ID_PATTERN: Final = r"^[A-Za-z0-9_]{1,16}-[0-9a-f]{24}$"

ByDigit = Annotated[int | str | None, Fact("label")]
CorrectionId = Annotated[str, Field(pattern=ID_PATTERN)]


class CorrectionById(TypedDict):
    """A correction of an answer: its X-Request-ID, the right digit (null: no digit), and which picture of several."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    digit: ByDigit
    place: NotRequired[Annotated[int, Field(ge=0, lt=MAX_PICTURES)]]


class CorrectionByPicture(TypedDict):
    """A picture, and the digit that it shows, or "none"."""

    image: Picture
    digit: Annotated[str, Fact("written")]


class CorrectionAnswer(TypedDict):
    """The id of the correction; the same for the same picture and digit."""

    id: str


class CorrectionEntry(TypedDict):
    """One correction; `seen` is what the network saw, a PNG file in base64."""

    id: str
    state: State
    disputed: str | None
    digit: str | None
    answered: str | None
    rejected: str | None
    confidence: float
    version: str
    time: str
    seen: str


class CorrectionsAnswer(TypedDict):
    """The newest corrections, and how many there are."""

    corrections: list[CorrectionEntry]
    count: int


class Decision(TypedDict):
    """What a person has decided about a correction."""

    id: CorrectionId
    state: State


class DecisionAnswer(TypedDict):
    """The correction's new state."""

    id: str
    state: State


class DeletedAnswer(TypedDict):
    """How many corrections were deleted."""

    deleted: int
