"""`POST /explain`: one picture's answer with the output of each layer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from service.api.picture_bodies import ONE_PICTURE, read_picture
from service.api.predict import PICTURE_ERRORS, PictureRoutes, PredictionAnswer
from service.contract import JSON
from service.errors import ArtifactError, NotFound, Overloaded
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route
from service.model.explainer import Explainer
from service.model.explanation import ExplanationContent

if TYPE_CHECKING:
    from service.model.artifact import Artifact

MAX_EXPLAINING: Final = 8  # pictures that are explained or wait for it: each costs about as much as 200 predictions


class ExplanationAnswer(ExplanationContent):
    """The answer of /predict, what the network saw, and the output of each layer."""

    prediction: PredictionAnswer


class LookInside:
    """Explains pictures in a thread of its own; all versions share this thread and the limit."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain")
        self._explaining = 0
        self._opened: tuple[Artifact, Explainer] | None = None  # when first wanted: most servers never explain anything

    def routes(self, pictures: PictureRoutes) -> list[Route]:
        """Return the route for the version that answers these pictures."""
        return [
            Route(
                "POST", "/explain", partial(self._explain, pictures), "explain", "pictures",
                "Classify one picture and show what the network saw", {JSON: ExplanationAnswer}, ONE_PICTURE,
                errors=(*PICTURE_ERRORS, NotFound), infers=True,
            ),
        ]  # fmt: skip

    async def _explain(self, pictures: PictureRoutes, request: Request) -> Reply:
        return json_reply(await self.explain(pictures, lambda: read_picture(request)))

    async def explain(self, pictures: PictureRoutes, read: Callable[[], Awaitable[bytes]]) -> ExplanationAnswer:
        """Answer one picture as /predict does, with the output of each layer and an occlusion map.

        Raises:
            Overloaded: too many wait already; the picture is not read then.
            NotFound: the model cannot be explained.
        """
        if self._explaining >= MAX_EXPLAINING:
            raise Overloaded(
                f"{self._explaining} pictures are being explained, the limit is {MAX_EXPLAINING}; try again soon"
            )
        self._explaining += 1
        try:
            answer = await pictures.recogniser.picture(await read())
            loop = asyncio.get_running_loop()
            winner = int(np.argmax(answer.prediction.probabilities))  # of both looks, where there were two
            artifact = pictures.recogniser.session.artifact
            inside = await loop.run_in_executor(self._thread, self._look_inside, artifact, answer.image, winner)
        finally:
            self._explaining -= 1
        return {"prediction": pictures.answer(answer.prediction), **inside}

    def _look_inside(
        self, artifact: Artifact, image_u8: np.ndarray, winner: int
    ) -> ExplanationContent:  # in the thread
        try:
            if self._opened is None or self._opened[0] is not artifact:
                self._opened = artifact, Explainer(artifact)
            explanation = self._opened[1].explain(image_u8, winner)
        except ArtifactError as error:
            raise NotFound(f"this model cannot be explained: {error}") from error
        return explanation.to_json_dict()
