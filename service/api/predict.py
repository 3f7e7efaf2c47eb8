"""The routes that take pictures: `POST /predict` and `POST /predict_batch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from service.api.picture_bodies import MANY_PICTURES, ONE_PICTURE, read_picture, read_pictures
from service.api.schemas import Fact, named
from service.contract import JSON, MAX_PICTURES, Rejection
from service.errors import PayloadTooLarge, RequestError, ServiceError, UndecodablePicture, UnsupportedType
from service.feedback.desk import FeedbackDesk
from service.gateway.messages import ErrorAnswer, Reply, Request, error_content, json_reply
from service.gateway.route import Route
from service.recognition.async_recogniser import AsyncRecogniser
from service.recognition.verdict import Prediction

DECIMALS: Final = 6  # of a probability: a float32 has about seven


Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[list[Share], Fact("classes")]


class Model(TypedDict):
    """The model that answered."""

    name: Annotated[str, Fact("name")]
    version: Annotated[str, Fact("version")]


class Row(TypedDict):
    """The answer to one instance; `digit` is null exactly where `rejected` is not, and images are never rejected."""

    digit: Annotated[int | str | None, Fact("label")]
    confidence: Share
    probabilities: Shares
    rejected: Rejection | None


class PredictionAnswer(Row):
    """The answer to one picture; `digit` is null if and only if `rejected` is set. Probabilities have six decimals."""

    model: Model


class PredictionsAnswer(TypedDict):
    """The answer to each picture, or what is wrong with it, in order."""

    predictions: list[PredictionAnswer | ErrorAnswer]


PICTURE_ERRORS: Final = (RequestError, PayloadTooLarge, UnsupportedType, UndecodablePicture)


class PictureRoutes:
    """Handlers around one recogniser.

    Args:
        recogniser: answers the pictures.
        max_pictures: parts that one batch request may hold.
        desk: remembers the answers, in case somebody corrects them; None where nobody can.
    """

    def __init__(
        self, recogniser: AsyncRecogniser, max_pictures: int = MAX_PICTURES, desk: FeedbackDesk | None = None
    ) -> None:
        self.recogniser = recogniser
        self._desk = desk
        self._max_pictures = max_pictures
        manifest = recogniser.manifest
        self._labels = named(manifest.labels)
        self._model: Model = {"name": manifest.name, "version": manifest.version}

    def routes(self) -> list[Route]:
        """Return the routes of pictures."""
        return [
            Route(
                "POST", "/predict", self.predict, "predict", "pictures", "Classify one picture",
                {JSON: PredictionAnswer}, ONE_PICTURE, errors=PICTURE_ERRORS, infers=True,
            ),
            Route(
                "POST", "/predict_batch", self.predict_batch, "predict_batch", "pictures",
                "Classify pictures, each by itself", {JSON: PredictionsAnswer}, MANY_PICTURES,
                errors=(RequestError, PayloadTooLarge, UnsupportedType), infers=True,
            ),
        ]  # fmt: skip

    async def predict(self, request: Request) -> Reply:
        """Answer one picture."""
        picture = await read_picture(request)
        answer = await self.recogniser.picture(picture)
        if self._desk is not None:
            self._desk.remember(request.id.decode(), 0, picture, answer, self.recogniser.manifest)
        return json_reply(self.answer(answer.prediction))

    async def predict_batch(self, request: Request) -> Reply:
        """Answer each picture, in order; one bad picture spoils only its own place."""
        pictures = await read_pictures(request, self._max_pictures)
        answer: PredictionsAnswer = {"predictions": await self.answers(pictures, request.id.decode())}
        return json_reply(answer)

    async def answers(
        self, pictures: Sequence[bytes | ServiceError], request_id: str = ""
    ) -> list[PredictionAnswer | ErrorAnswer]:
        """Answer encoded pictures in order; one that cannot be read has its error. The id allows corrections."""
        rest = iter(await self.recogniser.pictures([one for one in pictures if isinstance(one, bytes)]))
        answers = [next(rest) if isinstance(sent, bytes) else sent for sent in pictures]
        if self._desk is not None and request_id:
            for place, (sent, one) in enumerate(zip(pictures, answers, strict=True)):
                if isinstance(sent, bytes) and not isinstance(one, ServiceError):
                    self._desk.remember(request_id, place, sent, one, self.recogniser.manifest)
        return [error_content(one) if isinstance(one, ServiceError) else self.answer(one.prediction) for one in answers]

    def answer(self, prediction: Prediction) -> PredictionAnswer:
        """Write one prediction as the API's JSON."""
        return {**row(prediction, self._labels), "model": self._model}


def row(prediction: Prediction, labels: Sequence[int | str]) -> Row:
    """Write one prediction without its model; `labels` are the classes' names in answers."""
    return {
        "digit": None if prediction.label is None else labels[prediction.label],
        "confidence": round(prediction.confidence, DECIMALS),
        "probabilities": [round(probability, DECIMALS) for probability in prediction.probabilities],
        "rejected": prediction.rejected,
    }
