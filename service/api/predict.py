"""The routes that take pictures: `POST /predict` and `POST /predict_batch`."""

from __future__ import annotations

from typing_extensions import TypedDict

from service.contract import FORM, MAX_PICTURES, OCTETS
from service.errors import RequestError, ServiceError, UnsupportedType
from service.gateway.forms import name_fields, parse_multipart
from service.gateway.messages import ErrorAnswer, Reply, Request, error_content, json_reply
from service.recognition.async_recogniser import AsyncRecogniser
from service.recognition.verdict import Prediction

DECIMALS = 6  # of a probability: a float32 has about seven
RAW_TYPES = f"image/*, {OCTETS} or {FORM}"


class Model(TypedDict):
    """Who answered."""

    name: str
    version: str


class PredictionAnswer(TypedDict):
    """The answer to one picture; `digit` is null exactly where `rejected` is not. Shares have six decimals."""

    digit: int | str | None
    confidence: float
    probabilities: list[float]
    rejected: str | None
    model: Model


class PictureRoutes:
    """Handlers around one recogniser.

    Args:
        recogniser: answers the pictures.
        max_pictures: parts that one batch request may hold.
    """

    def __init__(self, recogniser: AsyncRecogniser, max_pictures: int = MAX_PICTURES) -> None:
        self.recogniser = recogniser
        self._max_pictures = max_pictures
        manifest = recogniser.manifest
        self._labels = [int(label) if label.isdecimal() else label for label in manifest.labels]
        self._model: Model = {"name": manifest.name, "version": manifest.version}

    async def predict(self, request: Request) -> Reply:
        """Answer one picture."""
        answer = await self.recogniser.picture(await self.read_picture(request))
        return json_reply(self.answer(answer.prediction))

    async def predict_batch(self, request: Request) -> Reply:
        """Answer each part named `images`, in order; one bad picture spoils only its own place."""
        content_type = request.content_type
        if not content_type.lower().startswith(FORM):
            raise UnsupportedType(f"the Content-Type is {content_type[:100]!r}, expected {FORM}")
        parts = parse_multipart(await request.body(), content_type, max_parts=self._max_pictures)
        pictures = [part.data for part in parts if part.name == "images"]
        if not pictures:
            raise RequestError(f"the form has {name_fields(parts)}; expected one or more parts named 'images'")
        return json_reply({"predictions": await self.answers(pictures)})

    async def read_picture(self, request: Request) -> bytes:
        """Take the one picture out of a request: the form field `image`, or the raw body."""
        content_type = request.content_type
        kind = content_type.partition(";")[0].strip().lower()
        if kind == FORM:
            parts = parse_multipart(await request.body(), content_type, max_parts=16)
            pictures = [part.data for part in parts if part.name == "image"]
            if len(pictures) != 1:
                raise RequestError(
                    f"the form has {name_fields(parts)}; expected exactly one part named 'image'; "
                    "send several pictures to /predict_batch"
                )
            data = pictures[0]
        elif kind.startswith("image/") or kind == OCTETS:
            data = await request.body()
        else:
            raise UnsupportedType(f"the Content-Type is {content_type[:100]!r}, expected {RAW_TYPES}")
        if not data:
            raise RequestError("the picture is empty (0 bytes); expected the bytes of an image file")
        return data

    async def answers(self, pictures: list[bytes]) -> list[PredictionAnswer | ErrorAnswer]:
        """Answer encoded pictures in order, one that cannot be read by its error."""
        return [
            error_content(one) if isinstance(one, ServiceError) else self.answer(one.prediction)
            for one in await self.recogniser.pictures(pictures)
        ]

    def answer(self, prediction: Prediction) -> PredictionAnswer:
        """Put one prediction into the words of the API."""
        return {
            "digit": None if prediction.label is None else self._labels[prediction.label],
            "confidence": round(prediction.confidence, DECIMALS),
            "probabilities": [round(probability, DECIMALS) for probability in prediction.probabilities],
            "rejected": prediction.rejected,
            "model": self._model,
        }
