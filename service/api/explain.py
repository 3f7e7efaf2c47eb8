"""The routes for people: the page's files, and `POST /explain`, the look inside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from service.api.page import Asset, Page
from service.errors import ArtifactError, NotFound, Overloaded
from service.gateway.messages import Reply, Request, json_reply
from service.model.explainer import Explainer

if TYPE_CHECKING:
    from service.api.predict import PictureRoutes
    from service.gateway.dispatch import Handler
    from service.model.artifact import Artifact

MAX_EXPLAINING = 8  # pictures that are explained or wait for it: each costs about as much as 200 predictions


class WebRoutes:
    """Handlers of the page and of the look inside; the latter has one thread of its own, off the hot path."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain")
        self._explaining = 0
        self._opened: tuple[Artifact, Explainer] | None = None  # when first wanted: most servers never explain anything

    def routes(self, pictures: PictureRoutes) -> dict[str, dict[str, Handler]]:
        """Path to method to handler, for the version that answers these pictures; thread and limit are for all."""
        table: dict[str, dict[str, Handler]] = {
            path: {"GET": partial(self._asset, asset)} for path, asset in self.page.assets.items()
        }
        table["/explain"] = {"POST": partial(self._explain, pictures)}
        return table

    async def _explain(self, pictures: PictureRoutes, request: Request) -> Reply:
        return json_reply(await self.explain(pictures, lambda: pictures.read_picture(request)))

    async def explain(self, pictures: PictureRoutes, read: Callable[[], Awaitable[bytes]]) -> dict[str, Any]:
        """Answer one picture as /predict does, with what each layer made of it and which parts decided.

        Raises:
            Overloaded: too many wait already; the picture is not read then.
            NotFound: the model cannot be explained.
        """
        if self._explaining >= MAX_EXPLAINING:
            raise Overloaded(
                f"{self._explaining} pictures are being explained, at most {MAX_EXPLAINING} may; try again"
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

    def _look_inside(self, artifact: Artifact, image_u8: np.ndarray, winner: int) -> dict[str, Any]:  # in the thread
        try:
            if self._opened is None or self._opened[0] is not artifact:
                self._opened = artifact, Explainer(artifact)
            explanation = self._opened[1].explain(image_u8, winner)
        except ArtifactError as error:
            raise NotFound(f"this model cannot be explained: {error}") from error
        return explanation.to_json_dict()

    @staticmethod
    async def _asset(asset: Asset, request: Request) -> Reply:
        headers = tuple(
            (name.encode(), value.encode()) for name, value in asset.headers.items() if name != "content-type"
        )
        if asset.is_fresh(request.headers.get(b"if-none-match", b"").decode("latin-1") or None):
            return Reply(304, b"", asset.content_type.encode(), headers)
        return Reply(200, asset.body, asset.content_type.encode(), headers)
