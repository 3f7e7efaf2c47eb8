"""The Open Inference Protocol's routes: server and model metadata, health, and infer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from service import __version__
from service.api.open_inference_wire import HEADER_LENGTH, parse_infer, write_infer
from service.gateway.messages import Reply, Request, json_reply

if TYPE_CHECKING:
    from service.api.inference import Inference
    from service.errors import NotFound
    from service.gateway.dispatch import Handler

EXTENSIONS = ("binary_tensor_data",)
_MODEL_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/.*)?", re.DOTALL)


class InferenceRoutes:
    """Handlers around one model.

    Args:
        inference: answers.
        extensions: what the server can do beside, for its metadata.
    """

    def __init__(self, inference: Inference, extensions: Iterable[str] = ()) -> None:
        self._inference = inference
        self._extensions = [*EXTENSIONS, *extensions]

    def routes(self) -> dict[str, dict[str, Handler]]:
        """Path to method to handler, for the model with and without its version."""
        table: dict[str, dict[str, Handler]] = {
            "/v2": {"GET": self.server},
            "/v2/health/live": {"GET": self.live},
            "/v2/health/ready": {"GET": self.ready},
        }
        model = f"/v2/models/{self._inference.name}"
        for base in (model, f"{model}/versions/{self._inference.version}"):
            table[base] = {"GET": self.model}
            table[f"{base}/ready"] = {"GET": self.model_ready}
            table[f"{base}/infer"] = {"POST": self.infer}
        return table

    def missing(self, path: str) -> NotFound | None:
        """Say what is wrong with a path that is none of the routes, where it names another model or version."""
        found = _MODEL_PATH.fullmatch(path)
        return self._inference.missing(found[1], found[2]) if found else None

    async def server(self, _: Request) -> Reply:
        """Server metadata."""
        return json_reply({"name": "digit-service", "version": __version__, "extensions": self._extensions})

    async def live(self, _: Request) -> Reply:
        """Say that the process answers."""
        return json_reply({"live": True})

    async def ready(self, _: Request) -> Reply:
        """Say that the server takes requests."""
        return json_reply({"ready": True})

    async def model(self, _: Request) -> Reply:
        """Model metadata."""
        return json_reply(self._inference.metadata)

    async def model_ready(self, _: Request) -> Reply:
        """Say that the model takes requests."""
        return json_reply({"name": self._inference.name, "ready": True})

    async def infer(self, request: Request) -> Reply:
        """Classify one input tensor: `images` as they are, or `pictures` through preprocessing."""
        model = self._inference
        call = parse_infer(await request.body(), request.headers.get(HEADER_LENGTH), model.image_shape)
        tensors = await model.infer(call.tensor, [output.name for output in call.outputs])
        return write_infer(model.name, model.version, call, tensors)
