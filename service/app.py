"""The BentoML service: what `bentoml serve service:DigitService` starts."""

from __future__ import annotations

import gc
import logging
from typing import Annotated, Any

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from numpy.typing import NDArray

from service.artifact import load_artifact
from service.classifier import Classifier
from service.errors import ServiceError
from service.gateway import Gateway
from service.http import ASGIApp, Reply, Request
from service.inference import InferenceRoutes
from service.metrics import Metrics
from service.page import Page
from service.pictures import PictureRoutes
from service.session import DigitSession
from service.settings import load_settings, unknown_variables
from service.web_routes import WebRoutes

log = logging.getLogger("bentoml.service")  # below BentoML's logger, whose handlers are configured
INNER_PATHS = {"/metrics", "/schema.json", "/docs.json", "/classify"}


class GatewayService(bentoml.Service[Any]):
    """A BentoML service whose ASGI application stands behind our gateway."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Wrap BentoML's application; `bentoml serve` calls this once in each worker."""
        gateway = Gateway(super().to_asgi(is_main=is_main), load_settings())
        gateway.on_startup(lambda: bentoml.get_current_service().open(gateway))
        return gateway


try:
    _settings = load_settings()
except ServiceError as error:
    raise SystemExit(f"error: {error}") from None


@bentoml.service(
    name="digits",
    service_class=GatewayService,
    workers=_settings.workers,
    traffic={"timeout": _settings.timeout_s},
    logging={"access": {"enabled": _settings.access_log}},
)
class DigitService:
    """Classifies handwritten digits."""

    def __init__(self) -> None:
        self.settings = load_settings()
        try:
            session = DigitSession(load_artifact(self.settings.model), self.settings.provider, self.settings.threads)
        except ServiceError as error:
            raise SystemExit(f"error: {error}") from None
        session.warm_up(self.settings.max_batch)
        manifest = session.artifact.manifest
        self.metrics = Metrics(manifest, session.provider)
        self.classifier = Classifier(session, self.settings, self.metrics)
        log.info("serving %s version %s on %s", manifest.name, manifest.version, session.provider)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Stop `bentoml serve` with one clear line, before any worker starts, if the model folder is not sound."""
        for name in unknown_variables():
            log.warning("%s is set, but there is no such setting; see the README's table", name)
        try:
            load_artifact(_settings.model)
        except ServiceError as error:
            raise SystemExit(f"error: {error}") from None

    @bentoml.api(route="/classify", batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def classify(
        self, images: Annotated[NDArray[np.uint8], DType("uint8"), Shape((-1, 28, 28))]
    ) -> Annotated[NDArray[np.float32], DType("float32"), Shape((-1, 10))]:
        """Probabilities of uint8 images, through BentoML's own adaptive batching."""
        return self.classifier.session.run(images).probabilities

    def __metrics__(self, text: str) -> str:
        """Complete what BentoML gathered from all workers; its /metrics route calls this."""
        return self.metrics.exposition(text)

    def open(self, gateway: Gateway) -> None:
        """Put the routes into the gateway, once the worker's application has started."""
        pictures = PictureRoutes(self.classifier)
        gateway.configure(
            {
                "/predict": {"POST": pictures.predict},
                "/predict_batch": {"POST": pictures.predict_batch},
                "/livez": {"GET": _healthy},
                "/healthz": {"GET": _healthy},
                "/readyz": {"GET": _healthy},
                **InferenceRoutes(self.classifier).routes(),
                **WebRoutes(pictures, Page.load()).routes(),
            },
            INNER_PATHS,
            self.metrics,
        )
        # What was loaded at start stays: taking it out of the garbage collector's sight removes its full passes over
        # that heap from the tail of the latency (docs/performance.md).
        gc.collect()
        gc.freeze()


async def _healthy(_: Request) -> Reply:
    return Reply(200, b"\n", b"text/plain; charset=utf-8")
