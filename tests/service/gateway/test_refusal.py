"""A refusal for want of room comes late: who asks again at once must not take the processor from the others."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from test_dispatch import ask, gateway

from service.errors import Overloaded, RequestError
from service.gateway.messages import Reply, Request


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the gateway has waited; it does not really."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    return found


async def full(request: Request) -> Reply:
    """Refuse once the body is there, as a full queue does."""
    await request.body()
    raise Overloaded("full")


async def wrong(_: Request) -> Reply:
    """Refuse for another reason."""
    raise RequestError("no")


def test_who_finds_no_room_waits_for_the_refusal_and_holds_nothing(waits: list[float]) -> None:
    """The memory of the body is free by then."""
    app = gateway(routes={"/full": {"POST": full}})
    answer = ask(app, "POST", "/full", b"x" * 1000)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert waits == [Overloaded.delay_s]
    assert app.limits.held == 0


def test_no_other_answer_waits(waits: list[float]) -> None:
    """Neither another error, nor the 503 by which a load balancer learns that the server ends."""
    app = gateway(routes={"/wrong": {"POST": wrong}})
    app.drain()
    found = [ask(app, *one).status for one in (("POST", "/wrong"), ("GET", "/readyz"), ("GET", "/hello"))]
    assert found == [400, 503, 200]
    assert waits == []


def test_a_refused_grpc_call_waits_too(waits: list[float]) -> None:
    """Its message is released before."""
    grpc_server = pytest.importorskip("service.api.grpc_server")
    released: list[int] = []

    async def read(_: object) -> bytes:
        return b"x" * 1000

    async def infer(_: bytes) -> bytes:
        raise Overloaded("full")

    server = SimpleNamespace(
        _keys=None,
        _inbox=SimpleNamespace(read=read, release=released.append),
        _settings=SimpleNamespace(timeout_s=30),
        _told=lambda error, _: error,
        _record=lambda *_: None,
    )
    asyncio.run(grpc_server.GrpcServer._call(server, "infer", grpc_server.Method(infer), None, MagicMock()))
    assert waits == [Overloaded.delay_s]
    assert released == [1000]
