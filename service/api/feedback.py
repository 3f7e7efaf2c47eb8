"""Corrections: anybody who asks may send one, operators read, accept, drop and delete them (off unless set)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import orjson

from service.api.feedback_types import (
    ID_PATTERN,
    CorrectionAnswer,
    CorrectionById,
    CorrectionByPicture,
    CorrectionEntry,
    CorrectionsAnswer,
    Decision,
    DecisionAnswer,
    DeletedAnswer,
)
from service.api.picture_bodies import media_type
from service.api.predict import PictureRoutes
from service.contract import FORM, JSON, MAX_PICTURES
from service.errors import (
    NotFound,
    NotKept,
    PayloadTooLarge,
    RequestError,
    TooManyRequests,
    UndecodablePicture,
    UnsupportedType,
)
from service.feedback.correction import NO_DIGIT, Correction, Kept, State, is_id
from service.feedback.desk import FeedbackDesk, answered
from service.feedback.entry import SEEN
from service.feedback.recent import Answered
from service.gateway.forms import name_fields, parse_multipart
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route

MOST_LISTED: Final = 1000  # of the newest; a person looks at no more at a time
ALL: Final = "*"

Told = Callable[[Correction], None]


class FeedbackRoutes:
    """Handlers around one desk.

    Args:
        desk: where corrections are handed in.
        pictures: answers the pictures that are corrected without an id.
        told: hears of each new correction.
        has_operator: whether there is a key that opens the routes for reading, deciding and deleting.
    """

    def __init__(self, desk: FeedbackDesk, pictures: PictureRoutes, told: Told, *, has_operator: bool) -> None:
        self._desk = desk
        self._pictures = pictures
        self._told = told
        self._has_operator = has_operator
        self._labels = pictures.recogniser.manifest.labels

    def routes(self) -> list[Route]:
        """Return the routes of corrections."""
        send = Route(
            "POST", "/feedback", self.correct, "feedback", "feedback", "Say what is right about an answer",
            {JSON: CorrectionAnswer}, {JSON: CorrectionById, FORM: CorrectionByPicture},
            errors=(
                RequestError, NotFound, PayloadTooLarge, UnsupportedType, UndecodablePicture, TooManyRequests, NotKept,
            ),
        )  # fmt: skip
        if not self._has_operator:
            return [send]
        which, one = ("a correction's id, or * for all", rf"{ID_PATTERN}|^\*$"), ("a correction's id", ID_PATTERN)
        return [
            send,
            Route(
                "GET", "/feedback", self.read, "feedback_list", "feedback", "List corrections, the newest first",
                {JSON: CorrectionsAnswer}, is_operators=True,
            ),
            Route(
                "GET", "/feedback/{id}", self.picture, "feedback_picture", "feedback", "The picture of a correction",
                {"image/png": Any, "image/jpeg": Any}, tail=one, errors=(RequestError, NotFound), is_operators=True,
            ),
            Route(
                "DELETE", "/feedback/{id}", self.delete, "feedback_delete", "feedback", "Delete one correction, or all",
                {JSON: DeletedAnswer}, tail=which, errors=(RequestError, NotFound, NotKept), is_operators=True,
            ),
            Route(
                "POST", "/feedback/decision", self.decide, "feedback_decision", "feedback",
                "Accept or drop a correction", {JSON: DecisionAnswer}, {JSON: Decision},
                errors=(RequestError, NotFound, PayloadTooLarge, UnsupportedType, NotKept), is_operators=True,
            ),
        ]  # fmt: skip

    async def correct(self, request: Request) -> Reply:
        """Store one correction; the same correction sent twice gets the same answer."""
        self._desk.admit(request.client)
        kind = media_type(request)
        if kind == JSON:
            said, label = await self._by_id(_json(await request.body()))
        elif kind == FORM:
            said, label = await self._by_picture(await request.body(), request.content_type)
        else:
            raise UnsupportedType(f"the Content-Type is {request.content_type[:100]!r}, expected {JSON} or {FORM}")
        correction, is_new = await self._desk.keep(said, label)
        if is_new:
            self._told(correction)
        answer: CorrectionAnswer = {"id": correction.id}
        return json_reply(answer)

    async def read(self, _: Request) -> Reply:
        """List the newest corrections with what the network saw."""
        return await self._desk.disk(self._read)

    async def picture(self, request: Request) -> Reply:
        """Answer the picture as it came, without its metadata."""
        wanted = _wanted(request)

        def read() -> Reply:
            entry = self._desk.store.path(wanted)
            for path in sorted(entry.glob("picture.*")):
                kind = b"image/png" if path.suffix == ".png" else b"image/jpeg"
                return Reply(200, path.read_bytes(), kind, ((b"cache-control", b"no-store"),))
            raise NotFound(f"the picture of the correction {wanted!r} is missing; delete the correction")

        return await self._desk.disk(read)

    async def decide(self, request: Request) -> Reply:
        """Store that a person has accepted or dropped a correction, or set it back to waiting."""
        if media_type(request) != JSON:
            raise UnsupportedType(f"the Content-Type is {request.content_type[:100]!r}, expected {JSON}")
        content = _json(await request.body())
        wanted, state = content.get("id"), content.get("state")
        if not isinstance(wanted, str) or not is_id(wanted) or state not in list(State):
            raise RequestError(
                f"id is {str(wanted)[:50]!r} and state {str(state)[:20]!r}, expected a correction's id and one of "
                f"{', '.join(State)}"
            )
        await self._desk.disk(lambda: self._desk.store.move(wanted, State(state)))
        answer: DecisionAnswer = {"id": wanted, "state": State(state)}
        return json_reply(answer)

    async def delete(self, request: Request) -> Reply:
        """Delete the correction that the path names, or all for `*`."""
        wanted = request.tail if request.tail == ALL else _wanted(request)
        store = self._desk.store
        count = 1
        if wanted == ALL:
            count = await self._desk.disk(store.delete_all)
        else:
            await self._desk.disk(lambda: store.delete(wanted))
        answer: DeletedAnswer = {"deleted": count}
        return json_reply(answer)

    async def _by_id(self, content: dict[str, Any]) -> tuple[Answered, str | None]:
        wanted, place = content.get("id"), _whole(content.get("place", 0))
        if not isinstance(wanted, str) or not 1 <= len(wanted) <= 128:
            raise RequestError(f"id is {str(wanted)[:50]!r}, expected the X-Request-ID of an answer")
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < MAX_PICTURES:
            raise RequestError(
                f"place is {str(place)[:20]!r}, expected a whole number, 0 for the first picture of the request"
            )
        if "digit" not in content:
            raise RequestError("digit is missing, expected what the picture shows, or null for no digit")
        label = self._label(content["digit"])
        return await self._desk.find(wanted, place), label

    async def _by_picture(self, body: bytes, content_type: str) -> tuple[Answered, str | None]:
        parts = parse_multipart(body, content_type, max_parts=16)
        pictures = [part.data for part in parts if part.name == "image"]
        digits = [part.data for part in parts if part.name == "digit"]
        if len(pictures) != 1 or len(digits) != 1 or not pictures[0]:
            raise RequestError(
                f"the form has {name_fields(parts)}; expected one part named 'image' with a picture, and one 'digit'"
            )
        label = self._label(digits[0].decode(errors="replace").strip())
        answer = await self._pictures.recogniser.picture(pictures[0])
        return answered(pictures[0], answer, self._pictures.recogniser.manifest), label

    def _label(self, said: object) -> str | None:
        """Return the label that is meant; None for no digit."""
        said = _whole(said)
        if said is None:
            return None
        if isinstance(said, int | str) and not isinstance(said, bool):
            if str(said) in self._labels:
                return str(said)
            if said == NO_DIGIT:
                return None
        raise RequestError(
            f"digit is {str(said)[:20]!r}, expected one of {', '.join(self._labels)}, or no digit: null in JSON, "
            f"{NO_DIGIT!r} in a form"
        )

    def _read(self) -> Reply:
        kept = self._desk.store.read()
        answer: CorrectionsAnswer = {
            "corrections": [self._entry(each) for each in kept[:MOST_LISTED]],
            "count": len(kept),
        }
        return json_reply(answer, headers=((b"cache-control", b"no-store"),))

    def _entry(self, kept: Kept) -> CorrectionEntry:
        one = kept.correction
        try:
            seen = base64.b64encode((self._desk.store.folder / kept.state / one.id / SEEN).read_bytes()).decode()
        except OSError:
            seen = ""
        return {
            "id": one.id,
            "state": kept.state,
            "disputed": kept.disputed,
            "digit": one.label,
            "answered": one.answered,
            "rejected": one.rejected,
            "confidence": one.confidence,
            "version": one.version,
            "time": one.time,
            "seen": seen,
        }


def _whole(value: object) -> object:
    """Take 7.0 for 7, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wanted(request: Request) -> str:
    if not is_id(request.tail):
        raise RequestError(f"id is {request.tail[:50]!r}, expected a correction's id as GET /feedback lists them")
    return request.tail


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is no JSON ({str(error)[:100]})") from error
    if not isinstance(content, dict):
        raise RequestError(f"the body is a JSON {type(content).__name__}, expected an object")
    return content
