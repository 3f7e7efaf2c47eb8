"""The BentoML service: what `bentoml serve service:DigitService` starts."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import bentoml
import numpy as np
from bentoml.validators import DType, Shape

from service.api import bentoml_routes, health
from service.api.bentoml_routes import check_images
from service.api.explain import LookInside
from service.api.feedback import FeedbackRoutes
from service.api.grpc_extra import check_grpc
from service.api.inference import Inference
from service.api.kserve_v1 import KServeV1Routes
from service.api.model_config import model_config
from service.api.model_index import ModelIndex
from service.api.open_inference import InferenceRoutes
from service.api.openapi import Description
from service.api.page import Page
from service.api.predict import PictureRoutes, PredictionAnswer
from service.api.repository import Repository, check_folder
from service.api.schemas import facts
from service.contract import MAX_IMAGES
from service.errors import ConfigurationError, ServiceError
from service.feedback.desk import FeedbackDesk
from service.feedback.store import FeedbackStore
from service.gateway.dispatch import Gateway
from service.gateway.messages import ASGIApp
from service.gateway.route import Route
from service.model.artifact import Artifact, load_artifact
from service.model.session import DigitSession, providers_to_try
from service.recognition.async_recogniser import AsyncRecogniser
from service.server.drain import Drain
from service.settings import load_settings, unknown_variables
from service.telemetry.corrections import CorrectionCounts
from service.telemetry.counting import count_in_memory
from service.telemetry.logs import configure_logs
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.api.grpc_server import GrpcServer

logger = logging.getLogger("bentoml.service")  # below BentoML's logger, whose handlers are configured
# For BentoML's annotations: written out, as pydantic and BentoML cannot see through `NDArray`, which numpy 2.5 makes a
# `type` statement on Python 3.12 and newer.
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]


class GatewayService(bentoml.Service[Any]):
    """A BentoML service whose ASGI application is behind our gateway."""

    _made: Any = None
    grpc: Any = None
    is_launched_by_us = False

    def __call__(self) -> Any:
        """Return the process's one instance of the service."""
        if self._made is None:
            self._made = super().__call__()
        return self._made

    def bind_beside(self, listener: socket.socket) -> None:
        """Open the gRPC port, if one is set, on the address of HTTP's listening socket."""
        self.is_launched_by_us = True
        if self.grpc is not None:
            address = listener.getsockname()
            try:
                self.grpc.bind(address[0] if isinstance(address, tuple) else "127.0.0.1")
            except ServiceError as error:
                raise SystemExit(f"error: {error}") from None

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Wrap BentoML's application; called once in each worker."""
        configure_logs(_settings.log_format)
        if _settings.workers == 1:
            count_in_memory()
        app = super().to_asgi(is_main=is_main)
        self()  # now: in the application's start, uvicorn would bury the line that says why this cannot be
        gateway = Gateway(app, _settings)
        if _settings.grpc_port is not None:
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else its library logs what clients do wrong, line by line
            # Not at the top: without gRPC its library is not even loaded.
            from service.api.grpc_server import GrpcServer  # noqa: PLC0415

            self.grpc = GrpcServer(_settings, gateway.limits)
            gateway.doors.append(self.grpc)
        gateway.on_startup(self.check_launcher)
        gateway.on_startup(lambda: bentoml.get_current_service().open(gateway, self.grpc))
        if self.grpc is not None:
            gateway.on_startup(self.grpc.open)
        gateway.on_startup(Drain(gateway, _settings).install)
        if _settings.tracing:
            trace(gateway)
        return gateway

    def check_launcher(self) -> None:
        """Refuse to serve in the open what was to be behind TLS or a socket's file.

        Raises:
            ConfigurationError: `bentoml serve` has started this, which knows neither setting.
        """
        if not self.is_launched_by_us and (_settings.uds or _settings.ssl_certfile):
            raise ConfigurationError(
                "DIGITS_UDS and DIGITS_SSL_CERTFILE are for `python -m service`; "
                "`bentoml serve` has --ssl-certfile and --ssl-keyfile of its own"
            )


try:
    _settings = load_settings()
except ServiceError as error:
    raise SystemExit(f"error: {error}") from None


@bentoml.service(
    name="digits",
    service_class=GatewayService,
    workers=_settings.workers,
    traffic={"timeout": _settings.timeout_s},
    logging={"access": {"enabled": False}},  # the gateway writes its own, which names no path of a client's choice
)
class DigitService:
    """Classifies handwritten digits."""

    def __init__(self) -> None:
        self.settings = load_settings()
        try:
            session = self.opened(load_artifact(self.settings.model))
        except ServiceError as error:
            raise SystemExit(f"error: {error}") from None
        manifest = session.artifact.manifest
        self.metrics = Metrics(manifest, session.provider)
        self.corrections = CorrectionCounts() if self.settings.feedback is not None else None
        self.recogniser = AsyncRecogniser(session, self.settings, self.metrics)
        self.page = Page.load(
            takes_feedback=self.settings.feedback is not None, max_body_bytes=self.settings.max_body_bytes
        )
        self.desk: FeedbackDesk | None = None
        self.look_inside = LookInside()
        logger.info("serving %s version %s on %s", manifest.name, manifest.version, session.provider)

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Stop `bentoml serve` with one clear line before any worker starts, if no worker could start."""
        for name in unknown_variables():
            logger.warning("%s is set, but there is no such setting; docs/operate.md lists all", name)
        try:
            artifact = load_artifact(_settings.model)
            providers_to_try(_settings.provider)
            if _settings.grpc_port is not None:
                check_grpc()
            if _settings.repository_api:
                check_folder(_settings.model, artifact)
            if _settings.feedback is not None:
                FeedbackStore(_settings.feedback, _settings.feedback_max_bytes).open()
        except ServiceError as error:
            raise SystemExit(f"error: {error}") from None

    @bentoml.api(route="/classify", batchable=True, max_batch_size=MAX_IMAGES, max_latency_ms=10_000)
    def classify(
        self, images: Annotated[Bytes, DType("uint8"), Shape((-1, 28, 28))]
    ) -> Annotated[Floats, DType("float32")]:  # no shape: versions differ in their number of labels
        """Probabilities of uint8 images, through BentoML's own adaptive batching."""
        return self.recogniser.session.run(images).probabilities

    # The gateway answers the next three, on the same paths. BentoML finds here what its own clients and /schema.json
    # need, and other BentoML services what they call. A client keeps of an answer what the schema names, so an answer
    # with errors in it is no more than an object there.

    @bentoml.api(route="/predict")
    async def predict(self, image: Path) -> PredictionAnswer:
        """Answer one picture file."""
        answer = await self.recogniser.picture(await asyncio.to_thread(image.read_bytes))
        return PictureRoutes(self.recogniser).answer(answer.prediction)

    @bentoml.api(route="/predict_batch")
    async def predict_batch(self, images: list[Path]) -> dict[str, Any]:
        """Answer each picture file by itself, in order."""
        return {"predictions": await PictureRoutes(self.recogniser).answers([image.read_bytes() for image in images])}

    @bentoml.api(route="/explain")
    async def explain(self, image: Path) -> dict[str, Any]:
        """Answer one picture file, with what the network saw."""
        return dict(
            await self.look_inside.explain(PictureRoutes(self.recogniser), partial(asyncio.to_thread, image.read_bytes))
        )

    def check_images(self, body: bytes) -> None:
        """Refuse a body for `/classify` that BentoML would answer with 500.

        Raises:
            RequestError: it is not what `/classify` takes.
        """
        check_images(body, tuple(self.recogniser.session.image_shape), MAX_IMAGES)

    def __metrics__(self, text: str) -> str:
        """Complete BentoML's sum over all workers; its /metrics route calls this."""
        return self.metrics.exposition(text)

    def opened(self, artifact: Artifact) -> DigitSession:
        """Open a version and warm it up; called in a thread while another one serves."""
        session = DigitSession(artifact, self.settings.provider, self.settings.threads)
        session.warm_up(self.settings.max_batch)
        return session

    def open(self, gateway: Gateway, grpc: GrpcServer | None) -> None:
        """Put the routes into the gateway, once the worker's application has started."""
        self.grpc = grpc
        repository = None
        if self.settings.repository_api:
            repository = Repository(
                self.settings.model,
                self.recogniser.session.artifact,
                self.opened,
                lambda session: self.use(session, gateway, repository),
            )
            repository.follow()
        if self.settings.feedback is not None:
            self.desk = FeedbackDesk(
                self.settings.feedback,
                self.settings.feedback_max_bytes,
                self.settings.feedback_per_minute / self.settings.workers,
            )
            self.desk_opens = asyncio.get_running_loop().create_task(self.desk.open())
        self.configure(gateway, repository)
        # What was loaded at start stays: taking it out of the garbage collector's sight removes its full passes over
        # that heap from the tail of the latency (docs/lab/performance.md).
        gc.collect()
        gc.freeze()

    def use(self, session: DigitSession, gateway: Gateway, repository: Repository | None) -> None:
        """Serve another version from the next request on."""
        old = self.recogniser
        self.metrics = self.metrics.of(session.artifact.manifest, session.provider)
        self.recogniser = AsyncRecogniser(session, self.settings, self.metrics)
        self.configure(gateway, repository)
        loop = asyncio.get_running_loop()
        # By then no request that began with the old version can still be waiting.
        loop.call_later(self.settings.request_s + 1, lambda: loop.run_in_executor(None, old.close))

    def configure(self, gateway: Gateway, repository: Repository | None) -> None:
        """Set the routes for the version that serves."""
        pictures = PictureRoutes(self.recogniser, desk=self.desk)
        inference = Inference(self.recogniser)
        config = model_config(inference.metadata, self.settings)
        index = ModelIndex(self.settings.model, self.recogniser.session.artifact)
        if self.grpc is not None:
            self.grpc.configure(inference, config, index, self.metrics)
        inference_routes = InferenceRoutes(inference, config, ["model_repository"] if repository else [])
        v1_routes = KServeV1Routes(self.recogniser)
        routes = [
            *self.page.routes(),
            *pictures.routes(),
            *self.look_inside.routes(pictures),
            *inference_routes.routes(),
            *index.routes(),
            *v1_routes.routes(),
            *health.routes(),
            *bentoml_routes.routes(gateway.inner, self.check_images, metrics_open=self.settings.metrics_open),
            *(repository.routes() if repository else []),
            *self.feedback_routes(pictures),
        ]
        outputs = [output["name"] for output in inference.metadata["outputs"]]
        known = facts(self.recogniser.manifest, self.settings, outputs)
        described = Description(
            routes, known, has_keys=bool(self.settings.api_key), root_path=self.settings.root_path or ""
        )
        gateway.configure(
            [*routes, described.route],
            self.metrics,
            lambda path: inference_routes.missing(path) or v1_routes.missing(path),
        )

    def feedback_routes(self, pictures: PictureRoutes) -> list[Route]:
        """Return the routes of corrections; none if they are off."""
        if self.desk is None or self.corrections is None:
            return []
        self.corrections.bind(self.recogniser.manifest)
        has_operator = bool(self.settings.feedback_key)
        return FeedbackRoutes(self.desk, pictures, self.corrections.add, has_operator=has_operator).routes()


def trace(gateway: Gateway) -> None:
    """Send a span for each request to the exporter that BentoML's `tracing` configuration names."""
    # Not at the top: without tracing its import and its cost for each request are saved.
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415

    provider = BentoMLContainer.tracer_provider.get()
    gateway.wrap(lambda app: OpenTelemetryMiddleware(app, tracer_provider=provider))
