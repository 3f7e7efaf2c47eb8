"""With tracing on, each request is a span; without it, no request passes OpenTelemetry at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.app import trace
from service.gateway.dispatch import Gateway
from service.gateway.messages import Message, Reply, Request
from service.gateway.route import Route
from service.settings import Settings


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """An exporter that keeps spans, in place of the one that BentoML is configured with."""
    one = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(one))
    BentoMLContainer.tracer_provider.set(provider)
    yield one
    BentoMLContainer.tracer_provider.reset()


def get(gateway: Gateway, path: str) -> int:
    """One GET through the gateway; returns the status."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
        "server": ("127.0.0.1", 3000),
    }
    asyncio.run(gateway(scope, receive, send))
    status: int = sent[0]["status"]
    return status


def gateway() -> Gateway:
    """A gateway with one route and nothing behind it."""

    async def nothing(*_: object) -> None:
        """BentoML's place."""

    async def hello(_: Request) -> Reply:
        return Reply(200, b"{}")

    one = Gateway(nothing, Settings())
    one.configure([Route("GET", "/hello", hello, "", "", "", {})], None)  # type: ignore[arg-type]
    return one


def test_each_request_becomes_a_span_with_its_status(exporter: InMemorySpanExporter) -> None:
    """Server spans carry method and status, also for a path that does not exist."""
    one = gateway()
    trace(one)
    assert get(one, "/hello") == 200
    assert get(one, "/nothing") == 404
    servers = [span for span in exporter.get_finished_spans() if span.kind.name == "SERVER"]
    assert [span.attributes.get("http.status_code") for span in servers if span.attributes] == [200, 404]


def test_without_tracing_there_is_no_span(exporter: InMemorySpanExporter) -> None:
    """Tracing that is off costs nothing."""
    assert get(gateway(), "/hello") == 200
    assert exporter.get_finished_spans() == ()
