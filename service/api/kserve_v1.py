"""KServe's V1 protocol, which TensorFlow Serving began: the models, and predict with one JSON row for each instance."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import TypedDict

from service.api.inference_types import Name
from service.api.instances import Instances, PredictBody, read_instances
from service.api.predict import DECIMALS, Row, row
from service.api.schemas import named
from service.contract import JSON
from service.errors import NotFound, PayloadTooLarge, RequestError, ServiceError, UndecodablePicture
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route
from service.recognition.recogniser import readable

if TYPE_CHECKING:
    from service.recognition.async_recogniser import AsyncRecogniser

_MODEL_PATH: Final = re.compile(r"/v1/models/([^/:]+)(?::(.*))?", re.DOTALL)


class ModelsAnswer(TypedDict):
    """The models that are served."""

    models: list[Name]


class ModelAnswer(TypedDict):
    """Whether the model takes requests."""

    name: Name
    ready: bool


class PredictAnswer(TypedDict):
    """One row for each instance, in order."""

    predictions: list[Row]


class KServeV1Routes:
    """Handlers around one recogniser.

    Args:
        recogniser: answers.
    """

    def __init__(self, recogniser: AsyncRecogniser) -> None:
        self._recogniser = recogniser
        manifest = recogniser.manifest
        self._name = manifest.name
        self._labels = named(manifest.labels)
        self._image_shape = tuple(recogniser.session.image_shape)

    def routes(self) -> list[Route]:
        """Return the routes."""
        model = f"/v1/models/{self._name}"
        return [
            Route("GET", "/v1/models", self.models, "v1_models", "inference", "List the models", {JSON: ModelsAnswer}),
            Route(
                "GET", model, self.model, "v1_model", "inference", "Whether the model is ready", {JSON: ModelAnswer},
                tells_readiness=True,
            ),
            Route(
                "POST", f"{model}:predict", self.predict, "v1_predict", "inference", "Classify images and pictures",
                {JSON: PredictAnswer}, {JSON: PredictBody},
                errors=(RequestError, PayloadTooLarge, UndecodablePicture), infers=True,
            ),
        ]  # fmt: skip

    def missing(self, path: str) -> NotFound | None:
        """Return the error for an unknown V1 path, or None."""
        found = _MODEL_PATH.fullmatch(path)
        if found is None:
            return None
        model, verb = found[1], found[2]
        if model != self._name:
            return NotFound(f"there is no model {model[:100]!r}; the one that is served is {self._name!r}")
        if verb == "explain":
            return NotFound("V1 explains nothing here; send one picture to /explain")
        return NotFound(
            f"the model does not {(verb or '')[:50]!r}; it has ':predict', and versions are the business of V2"
        )

    async def models(self, _: Request) -> Reply:
        """List the one model."""
        return json_reply({"models": [self._name]})

    async def model(self, _: Request) -> Reply:
        """Say that the model takes requests."""
        return json_reply({"name": self._name, "ready": True})

    async def predict(self, request: Request) -> Reply:
        """Answer images with the network's own outputs, and pictures as `/predict` does.

        Raises:
            RequestError: an instance is at fault; the message says which.
            Overloaded: too much waits already.
        """
        given = read_instances(await request.body(), self._image_shape)
        rows: dict[int, Row] = {}
        for part in await asyncio.gather(self._images(given), self._pictures(given)):
            rows |= part
        return json_reply({"predictions": [rows[place] for place in sorted(rows)]})

    async def _images(self, given: Instances) -> dict[int, Row]:
        if given.images is None:
            return {}
        outputs, labels = await self._recogniser.tensors(given.images)
        shares = np.round(outputs.probabilities.astype(np.float64), DECIMALS).tolist()
        return {
            place: {"digit": self._labels[label], "confidence": each[label], "probabilities": each, "rejected": None}
            for place, label, each in zip(given.image_places, labels.tolist(), shares, strict=True)
        }

    async def _pictures(self, given: Instances) -> dict[int, Row]:
        prepared = await self._recogniser.prepare_all(given.pictures)
        for place, one in zip(given.picture_places, prepared, strict=True):
            if isinstance(one, ServiceError):
                raise type(one)(f"instances[{place}]: {one}") from one
        answers = await self._recogniser.prepared(readable(prepared))
        return {
            place: row(answer.prediction, self._labels)
            for place, answer in zip(given.picture_places, answers, strict=True)
        }
