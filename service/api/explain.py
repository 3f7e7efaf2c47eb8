"""The routes for people: the page's files, and `POST /explain`, the look inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from service.api.page import Asset, Page
from service.errors import ArtifactError, NotFound, Overloaded
from service.gateway.messages import Reply, Request, json_reply
from service.model.explainer import Explainer

if TYPE_CHECKING:
    from service.api.predict import PictureRoutes
    from service.gateway.dispatch import Handler

MAX_EXPLAINING = 8  # pictures that are explained or wait for it: each costs about as much as 200 predictions


class WebRoutes:
    """Handlers of the page and of the look inside; the latter has one thread of its own, off the hot path."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain")
        self._explaining = 0

    def routes(self, pictures: PictureRoutes) -> dict[str, dict[str, Handler]]:
        """Path to method to handler, for the version that answers these pictures; thread and limit are for all."""
        table: dict[str, dict[str, Handler]] = {
            path: {"GET": partial(self._asset, asset)} for path, asset in self.page.assets.items()
        }
        # opened when first wanted: most servers never explain anything
        explainer = cache(partial(Explainer, pictures.recogniser.session.artifact))
        table["/explain"] = {"POST": partial(self._explain, pictures, explainer)}
        return table

    async def _explain(self, pictures: PictureRoutes, explainer: Callable[[], Explainer], request: Request) -> Reply:
        """Answer one picture as /predict does, with what each layer made of it and which parts decided."""
        if self._explaining >= MAX_EXPLAINING:
            raise Overloaded(
                f"{self._explaining} pictures are being explained, at most {MAX_EXPLAINING} may; try again"
            )
        self._explaining += 1
        try:
            data = await pictures.read_picture(request)
            answer = await pictures.recogniser.picture(data)
            loop = asyncio.get_running_loop()
            winner = int(np.argmax(answer.prediction.probabilities))  # of both looks, where there were two
            inside = await loop.run_in_executor(self._thread, _look_inside, explainer, answer.image, winner)
        finally:
            self._explaining -= 1
        return json_reply({"prediction": pictures.answer(answer.prediction), **inside})

    @staticmethod
    async def _asset(asset: Asset, request: Request) -> Reply:
        headers = tuple(
            (name.encode(), value.encode()) for name, value in asset.headers.items() if name != "content-type"
        )
        if asset.is_fresh(request.headers.get(b"if-none-match", b"").decode("latin-1") or None):
            return Reply(304, b"", asset.content_type.encode(), headers)
        return Reply(200, asset.body, asset.content_type.encode(), headers)


def _look_inside(
    explainer: Callable[[], Explainer], image_u8: np.ndarray, winner: int
) -> dict[str, Any]:  # runs in the thread
    try:
        explanation = explainer().explain(image_u8, winner)
    except ArtifactError as error:
        raise NotFound(f"this model cannot be explained: {error}") from error
    return explanation.to_json_dict()
