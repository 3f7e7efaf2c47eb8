"""The gRPC port: the Open Inference Protocol and the standard health service, answered by the recogniser of HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc

from service import __version__
from service.api import grpc_messages as messages
from service.api.grpc_inbox import Inbox
from service.api.model_statistics import model_statistics
from service.api.open_inference import EXTENSIONS
from service.api.refusals import Unimplemented, refused_method
from service.errors import ConfigurationError, NotFound, Overloaded, ServiceError
from service.gateway.access import Keys, request_id_of
from service.gateway.deadline import no_answer
from service.server.http2_relay import Relay

if TYPE_CHECKING:
    from service.api.inference import Inference
    from service.api.model_config import ModelConfig
    from service.api.model_index import ModelIndex
    from service.gateway.messages import BodyLimits
    from service.settings import Settings
    from service.telemetry.metrics import Metrics

logger = logging.getLogger("bentoml.service.grpc")  # below BentoML's logger, whose handlers are configured
access_log = logging.getLogger("bentoml.service.access")

SERVICE: Final = "inference.GRPCInferenceService"
HEALTH: Final = "grpc.health.v1.Health"
WATCH: Final = f"/{HEALTH}/Watch"
MODEL_INFER: Final = f"/{SERVICE}/ModelInfer"
BACKLOG: Final = 2048
MAX_CALLS: Final = 1024  # of one process at a time; gRPC's library refuses more, before it takes their messages
MAX_WATCHES: Final = 128
AWAY_S: Final = 15.0  # for clients that were sent away to end their calls and go, before the library ends the rest
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
STATUS: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""The HTTP status of an error, which metrics and logs show for gRPC too, to gRPC's."""


class Method(NamedTuple):
    """A method's handler, and whether it needs no API key."""

    answer: Callable[[bytes], Awaitable[bytes]]
    is_open: bool = False


class GrpcServer:
    """The server of one process, on a port that the processes share.

    Args:
        settings: port, limits, deadlines and keys.
        limits: on bodies, shared with HTTP.
    """

    def __init__(self, settings: Settings, limits: BodyLimits) -> None:
        self._settings = settings
        self._keys = Keys(key.get_secret_value() for key in settings.api_key)
        self._inbox = Inbox(limits, settings.body_s)
        self._listener: socket.socket | None = None
        self._draining = asyncio.Event()
        self._ending = asyncio.Event()
        self._watches = 0
        self._inference: Inference
        self._config: ModelConfig
        self._index: ModelIndex
        self._metrics: Metrics
        methods = {
            f"/{SERVICE}/ServerLive": Method(self._live, is_open=True),
            f"/{SERVICE}/ServerReady": Method(self._ready, is_open=True),
            f"/{SERVICE}/ServerMetadata": Method(self._metadata),
            f"/{SERVICE}/ModelReady": Method(self._model_ready),
            f"/{SERVICE}/ModelMetadata": Method(self._model),
            MODEL_INFER: Method(self._infer),
            f"/{SERVICE}/ModelConfig": Method(self._model_config),
            f"/{SERVICE}/ModelStatistics": Method(self._statistics),
            f"/{SERVICE}/RepositoryIndex": Method(self._repository_index),
            f"/{HEALTH}/Check": Method(self._check, is_open=True),
        }
        self._handlers = {
            name: grpc.stream_unary_rpc_method_handler(partial(self._call, name, method))
            for name, method in methods.items()
        }
        self._handlers[WATCH] = grpc.stream_stream_rpc_method_handler(self._watch)

    def configure(self, inference: Inference, config: ModelConfig, index: ModelIndex, metrics: Metrics) -> None:
        """Answer with this model from the next call on."""
        self._inference, self._config, self._index, self._metrics = inference, config, index, metrics

    def bind(self, host: str) -> None:
        """Open the port on the address of HTTP.

        Raises:
            ConfigurationError: it cannot be had.
        """
        port = self._settings.grpc_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::" and socket.has_dualstack_ipv6()
        try:
            self._listener = socket.create_server(
                (host, port), family=family, backlog=BACKLOG, reuse_port=True, dualstack_ipv6=both
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}; set DIGITS_GRPC_PORT to another"
            ) from error

    async def open(self) -> None:
        """Begin to answer; call `configure` and `bind` first."""
        if self._listener is None:
            raise ConfigurationError("the gRPC port is not bound; start with `python -m service`")
        self._relay = Relay()
        options = (
            ("grpc.max_receive_message_length", self._settings.max_body_bytes),
            ("grpc.max_concurrent_streams", MAX_CALLS),
            ("grpc.compression_enabled_algorithms_bitset", 1),  # none: what a message inflates to has no limit there
            ("grpc.server_handshake_timeout_ms", 10_000),
            ("grpc.max_connection_idle_ms", 300_000),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
        )
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CALLS)
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self._relay.target)
        await self._server.start()
        await self._relay.open(self._listener, BACKLOG)
        logger.info("gRPC on port %d", self._settings.grpc_port)

    def drain(self) -> None:
        """Report "not ready" from now on; keep answering."""
        self._draining.set()

    async def close(self, grace_s: float) -> None:
        """Send GOAWAY, complete the calls that have begun, and stop."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + grace_s
        self._ending.set()
        await self._relay.send_away(min(AWAY_S, grace_s))
        if self._relay.clients:
            logger.warning("%d gRPC clients have not disconnected", len(self._relay.clients))
        await self._server.stop(max(0.0, ends_at - loop.time()))
        self._relay.close()

    def service(self, details: Any) -> Any:
        """Return a method's handler; gRPC calls this for each call."""
        return self._handlers.get(details.method) or grpc.stream_stream_rpc_method_handler(
            partial(self._call_unknown, Method(partial(_unknown, details.method)))
        )

    async def _call(self, name: str, method: Method, _: Any, context: Any) -> bytes:
        started = perf_counter()
        headers = _headers(context)
        request_id = request_id_of(headers)
        answer, held, status, delay_s = b"", 0, 499, 0.0  # 499: the client left, as nginx counts it
        try:
            if self._keys and not method.is_open:
                self._keys.check(headers)
            data = await self._inbox.read(context)
            held = len(data)
            async with asyncio.timeout(self._settings.timeout_s):
                answer = await method.answer(data)
            status = 200
        except asyncio.CancelledError:
            if context.time_remaining() is not None and context.time_remaining() <= 0:
                status = 504  # by the caller's own deadline, and he knows it already
            raise
        except Exception as error:  # noqa: BLE001 - told below
            problem = self._told(error, request_id)
            status, delay_s = problem.status, problem.delay_s
            _refuse(context, problem)
        finally:
            self._inbox.release(held)
            self._record(name, status, request_id, perf_counter() - started)
        if delay_s:
            await asyncio.sleep(delay_s)
        context.set_trailing_metadata((("x-request-id", request_id.decode()), *_advice(status)))
        return answer

    async def _call_unknown(self, method: Method, _: Any, context: Any) -> None:
        """Refuse, without an empty message before the status, which the client of a stream would take for an answer."""
        await self._call("other", method, _, context)

    def _told(self, error: Exception, request_id: bytes) -> ServiceError:
        if isinstance(error, ServiceError):
            return error
        if isinstance(error, TimeoutError):
            return no_answer(self._settings.timeout_s)
        logger.error("unexpected %s", type(error).__name__, exc_info=error, extra={"of_request": request_id.decode()})
        return ServiceError("unexpected error; search the server's log for the x-request-id")

    def _record(self, name: str, status: int, request_id: bytes, seconds: float) -> None:
        self._metrics.request(name, status, seconds, infers=name == MODEL_INFER)
        if self._settings.access_log:
            extra = {"of_request": request_id.decode(), "method": "gRPC", "route": name, "status": status}
            access_log.info("%d", status, extra={**extra, "ms": round(seconds * 1e3, 2)})

    async def _live(self, _: bytes) -> bytes:
        return bytes(messages.ServerLiveResponse(live=True).SerializeToString())

    async def _ready(self, _: bytes) -> bytes:
        return bytes(messages.ServerReadyResponse(ready=not self._draining.is_set()).SerializeToString())

    async def _metadata(self, _: bytes) -> bytes:
        said = {"name": "digit-service", "version": __version__, "extensions": EXTENSIONS}
        return bytes(messages.ServerMetadataResponse(**said).SerializeToString())

    async def _model_ready(self, data: bytes) -> bytes:
        request = messages.parse(messages.ModelReadyRequest, data)
        is_ours = self._inference.missing(request.name, request.version or None) is None
        return bytes(messages.ModelReadyResponse(ready=is_ours and not self._draining.is_set()).SerializeToString())

    async def _model(self, data: bytes) -> bytes:
        request = messages.parse(messages.ModelMetadataRequest, data)
        return messages.write_metadata(self._find(request.name, request.version).metadata)

    async def _infer(self, data: bytes) -> bytes:
        request = messages.parse(messages.ModelInferRequest, data)
        model = self._find(request.model_name, request.model_version)
        call = messages.read_infer(request, model.image_shape)
        tensors = await model.infer(call.tensor, [output.name for output in call.outputs])
        return messages.write_infer(model.name, model.version, call, tensors, model.labels)

    async def _model_config(self, data: bytes) -> bytes:
        request = messages.parse(messages.ModelConfigRequest, data)
        self._find(request.name, request.version)
        return bytes(messages.ModelConfigResponse(config=self._config).SerializeToString())

    async def _statistics(self, data: bytes) -> bytes:
        request = messages.parse(messages.ModelStatisticsRequest, data)
        model = self._find(request.name or self._inference.name, request.version)
        return messages.write_statistics(await asyncio.to_thread(model_statistics, model.name, request.version or None))

    async def _repository_index(self, data: bytes) -> bytes:
        request = messages.parse(messages.RepositoryIndexRequest, data)
        models = await asyncio.to_thread(self._index.entries, only_ready=request.ready)
        return bytes(messages.RepositoryIndexResponse(models=models).SerializeToString())

    def _find(self, name: str, version: str) -> Inference:
        if (error := self._inference.missing(name, version or None)) is not None:
            raise error
        return self._inference

    async def _check(self, data: bytes) -> bytes:
        service = messages.parse(messages.HealthCheckRequest, data).service
        if (status := self._health(service)) == SERVICE_UNKNOWN:
            raise NotFound(f"there is no service {service[:100]!r}, expected {SERVICE!r} or ''")
        return bytes(messages.HealthCheckResponse(status=status).SerializeToString())

    async def _watch(self, _: Any, context: Any) -> None:
        """Send the health now and at each change, until the client or the server ends the call."""
        self._watches += 1
        held = 0
        try:
            if self._watches > MAX_WATCHES:
                raise Overloaded(f"{MAX_WATCHES} clients already watch, which is the limit; call Check periodically")
            data = await self._inbox.read(context)
            held = len(data)
            service = messages.parse(messages.HealthCheckRequest, data).service
            told = self._health(service)
            await context.write(messages.HealthCheckResponse(status=told).SerializeToString())
            await self._draining.wait()  # may have begun while the client was told
            if (status := self._health(service)) != told:
                await context.write(messages.HealthCheckResponse(status=status).SerializeToString())
            await self._ending.wait()
            raise Overloaded("the server is shutting down; send the request to another instance")
        except ServiceError as error:
            _refuse(context, error)
        finally:
            self._watches -= 1
            self._inbox.release(held)

    def _health(self, service: str) -> int:
        if service not in ("", SERVICE):
            return SERVICE_UNKNOWN
        return NOT_SERVING if self._draining.is_set() else SERVING


async def _unknown(method: str, _: bytes) -> bytes:
    if (refused := refused_method(method.removeprefix(f"/{SERVICE}/"))) is not None:
        raise refused
    raise Unimplemented(
        f"there is no method {method[:200]!r}; {SERVICE} has ServerLive, ServerReady, ServerMetadata, ModelReady, "
        f"ModelMetadata, ModelInfer, ModelConfig, ModelStatistics and RepositoryIndex, {HEALTH} has Check and Watch"
    )


def _headers(context: Any) -> dict[bytes, bytes]:
    """Return a call's metadata as HTTP has it: names in lower case, values as bytes."""
    found = context.invocation_metadata() or ()
    return {key.encode(): value if isinstance(value, bytes) else value.encode() for key, value in found}


def _refuse(context: Any, error: ServiceError) -> None:
    context.set_code(STATUS.get(error.status, grpc.StatusCode.INTERNAL))
    context.set_details(str(error))


def _advice(status: int) -> tuple[tuple[str, str], ...]:
    """When to try again, in the header that clients with automatic retries read."""
    return (("grpc-retry-pushback-ms", str(Overloaded.retry_after_s * 1000)),) if status == Overloaded.status else ()
