"""The Open Inference Protocol's routes, and those of Triton's extensions that tell of the model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from service import __version__
from service.api.inference_types import (
    InferAnswer,
    InferRequestBody,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)
from service.api.model_config import ModelConfig
from service.api.model_statistics import StatisticsAnswer, model_statistics
from service.api.open_inference_wire import HEADER_LENGTH, parse_infer, write_infer
from service.api.refusals import refused_path
from service.contract import JSON, OCTETS
from service.errors import PayloadTooLarge, RequestError, UndecodablePicture
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route

if TYPE_CHECKING:
    from service.api.inference import Inference

EXTENSIONS: Final = ("binary_tensor_data", "classification", "model_configuration", "statistics")
_MODEL_PATH: Final = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/.*)?", re.DOTALL)


class InferenceRoutes:
    """Handlers around one model.

    Args:
        inference: answers.
        config: of the model.
        extensions: what the server can do beside, for its metadata.
    """

    def __init__(self, inference: Inference, config: ModelConfig, extensions: Iterable[str] = ()) -> None:
        self._inference = inference
        self._config = config
        self._extensions = [*EXTENSIONS, *extensions]

    def routes(self) -> list[Route]:
        """Return the routes, those of the model with and without its version."""
        model = f"/v2/models/{self._inference.name}"
        return [
            Route(
                "GET", "/v2", self.server, "v2", "inference", "Name, version and extensions", {JSON: ServerMetadata}
            ),
            Route(
                "GET", "/v2/health/live", self.live, "v2_live", "health", "Whether the server lives", {JSON: Live},
                is_open=True,
            ),
            Route(
                "GET", "/v2/health/ready", self.ready, "v2_ready", "health", "Whether it is ready for requests",
                {JSON: Ready}, is_open=True, tells_readiness=True,
            ),
            Route(
                "GET", "/v2/models/stats", self.statistics, "v2_stats", "inference",
                "What all models have done", {JSON: StatisticsAnswer},
            ),
            *self._model_routes("model", model),
            *self._model_routes("versioned", f"{model}/versions/{self._inference.version}"),
        ]  # fmt: skip

    def _model_routes(self, name: str, base: str) -> list[Route]:
        return [
            Route(
                "GET", base, self.model, f"{name}_metadata", "inference", "Inputs and outputs", {JSON: ModelMetadata}
            ),
            Route(
                "GET", f"{base}/ready", self.model_ready, f"{name}_ready", "inference", "Whether the model is ready",
                {JSON: ModelReady}, tells_readiness=True,
            ),
            Route(
                "GET", f"{base}/config", self.config, f"{name}_config", "inference", "Triton's model configuration",
                {JSON: ModelConfig},
            ),
            Route(
                "GET", f"{base}/stats", self.version_statistics if "/versions/" in base else self.statistics,
                f"{name}_stats", "inference", "What it has done, in all workers", {JSON: StatisticsAnswer},
            ),
            Route(
                "POST", f"{base}/infer", self.infer, f"infer_{name}", "inference", "Classify tensors",
                {JSON: InferAnswer, OCTETS: bytes}, {JSON: InferRequestBody, OCTETS: bytes},
                headers={
                    "Inference-Header-Content-Length": (
                        "Length of the JSON part, where binary tensors follow it.", "^[0-9]{1,9}$",
                    ),
                },
                errors=(RequestError, PayloadTooLarge, UndecodablePicture), infers=True,
            ),
        ]  # fmt: skip

    def missing(self, path: str) -> RequestError | None:
        """Return the error for a path that is no route here: one of Triton's, or another model or version; or None."""
        if (refused := refused_path(path)) is not None:
            return refused
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

    async def config(self, _: Request) -> Reply:
        """Model configuration."""
        return json_reply(self._config)

    async def statistics(self, _: Request) -> Reply:
        """Statistics of all versions that have served."""
        return json_reply(await asyncio.to_thread(model_statistics, self._inference.name))

    async def version_statistics(self, _: Request) -> Reply:
        """Statistics of the version that serves."""
        version = self._inference.version
        return json_reply(await asyncio.to_thread(model_statistics, self._inference.name, version))

    async def infer(self, request: Request) -> Reply:
        """Classify one input tensor: `images` as they are, or `pictures` through preprocessing."""
        model = self._inference
        call = parse_infer(await request.body(), request.headers.get(HEADER_LENGTH), model.image_shape)
        tensors = await model.infer(call.tensor, [output.name for output in call.outputs])
        return write_infer(model.name, model.version, call, tensors, model.labels)
