"""The routes that take pictures: `POST /predict` and `POST /predict_batch`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from service.api.schemas import Fact
from service.contract import FORM, JSON, MAX_PICTURES, OCTETS, PICTURE_TYPES, Rejection
from service.errors import PayloadTooLarge, RequestError, ServiceError, UndecodablePicture, UnsupportedType
from service.gateway.forms import name_fields, parse_multipart
from service.gateway.messages import ErrorAnswer, Reply, Request, error_content, json_reply
from service.gateway.route import Route
from service.recognition.async_recogniser import AsyncRecogniser
from service.recognition.verdict import Prediction

DECIMALS = 6  # of a probability: a float32 has about seven
RAW_TYPES = f"image/*, {OCTETS} or {FORM}"


Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[list[Share], Fact("classes")]
Picture = Annotated[bytes, Fact("picture")]


class Model(TypedDict):
    """Who answered."""

    name: Annotated[str, Fact("name")]
    version: Annotated[str, Fact("version")]


class PredictionAnswer(TypedDict):
    """The answer to one picture; `digit` is null exactly where `rejected` is not. Shares have six decimals."""

    digit: Annotated[int | str | None, Fact("label")]
    confidence: Share
    probabilities: Shares
    rejected: Rejection | None
    model: Model


class PredictionsAnswer(TypedDict):
    """The answer to each picture, or what is wrong with it, in order."""

    predictions: list[PredictionAnswer | ErrorAnswer]


class PictureForm(TypedDict):
    """One picture."""

    image: Picture


class PicturesForm(TypedDict):
    """Pictures in order, all in fields of one name."""

    images: Annotated[list[Picture], Field(min_length=1, max_length=MAX_PICTURES)]


ONE_PICTURE = {**dict.fromkeys(PICTURE_TYPES, Picture), FORM: PictureForm}
PICTURE_ERRORS = (RequestError, PayloadTooLarge, UnsupportedType, UndecodablePicture)


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

    def routes(self) -> list[Route]:
        """Return the routes of pictures."""
        return [
            Route(
                "POST", "/predict", self.predict, "predict", "pictures", "Classify one picture",
                {JSON: PredictionAnswer}, ONE_PICTURE, errors=PICTURE_ERRORS,
            ),
            Route(
                "POST", "/predict_batch", self.predict_batch, "predict_batch", "pictures",
                "Classify pictures, each by itself", {JSON: PredictionsAnswer}, {FORM: PicturesForm},
                errors=(RequestError, PayloadTooLarge, UnsupportedType),
            ),
        ]  # fmt: skip

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
        answer: PredictionsAnswer = {"predictions": await self.answers(pictures)}
        return json_reply(answer)

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
