"""How slowly a body may arrive: by a clock of the test's own, and through the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import service.gateway.deadline
import service.gateway.pace
from service.gateway.dispatch import Gateway
from service.gateway.messages import Message, Reply, Request
from service.gateway.pace import RATE_WINDOW_S, Pace, PaceLimits
from service.gateway.route import Route
from service.settings import Settings

LIMITS = PaceLimits(whole_s=100, pause_s=5, kib_s=8)
KIB = 1024


def fate(arrivals: Iterator[tuple[float, int]]) -> tuple[float, str] | None:
    """Return when and why a body is given up whose bytes come as told: (second, bytes so far)."""
    pace = Pace(LIMITS, 0)
    for now, received in arrivals:
        late = pace.lateness(received, now)
        if late is not None:
            return now, late
    return None


def test_a_steady_upload_may_take_as_long_as_the_whole_limit() -> None:
    """Twice the least rate for 99 s is well; at 100 s every body ends."""
    assert fate((now, 16 * KIB * now) for now in range(1, 100)) is None
    ended = fate((now, 16 * KIB * now) for now in range(1, 200))
    assert ended is not None
    assert ended[0] == 100
    assert "DIGITS_BODY_S" in ended[1]


def test_a_pause_ends_a_body_however_much_came_before() -> None:
    """Megabytes at first buy no right to be silent."""
    ended = fate((now, 16 * KIB * KIB) for now in range(1, 100))
    assert ended is not None
    assert ended[0] == 1 + LIMITS.pause_s
    assert "DIGITS_BODY_PAUSE_S" in ended[1]


def test_what_came_before_does_not_pay_for_a_trickle() -> None:
    """The rate counts over each window of ten seconds, not over the whole."""
    ended = fate((now, 16 * KIB * KIB + now) for now in range(1, 100))
    assert ended is not None
    assert ended[0] <= 2 * RATE_WINDOW_S
    assert "DIGITS_BODY_KIB_S" in ended[1]


def test_a_moment_in_a_tunnel_is_made_up_for() -> None:
    """Four seconds without a byte, then the rest at once."""
    assert fate((now, 20 * KIB * (now - now % 5)) for now in range(1, 100)) is None


def upload(parts: list[float], before_answer_s: float, **settings: Any) -> int:
    """Return the status of a request whose body comes in parts, so many seconds apart; after them nothing comes."""
    sent: list[Message] = []
    left = list(parts)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(left.pop(0))
        return {"type": "http.request", "body": b"x", "more_body": bool(left) or len(parts) == 1}

    async def send(message: Message) -> None:
        sent.append(message)

    async def handler(request: Request) -> Reply:
        await request.body()
        await asyncio.sleep(before_answer_s)
        return Reply(200, b"")

    async def inner(*_: object) -> None:
        """Never called."""

    gateway = Gateway(inner, Settings(body_kib_s=0, **settings))
    metrics: Any = type("Metrics", (), {"request": lambda *_, **__: None})()
    gateway.configure([Route("POST", "/picture", handler, "", "", "", {})], metrics)
    scope = {"type": "http", "method": "POST", "path": "/picture", "headers": [(b"expect", b"")]}
    asyncio.run(gateway(scope, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.fixture(autouse=True)
def early_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a request at once, so that each way through is taken."""
    monkeypatch.setattr(service.gateway.deadline, "FIRST_LOOK_S", 0.001)


def test_the_time_to_the_answer_begins_when_the_body_is_there() -> None:
    """A body that takes longer than DIGITS_TIMEOUT_S is answered."""
    assert upload([0.05] * 5, 0, timeout_s=0.1) == 200


def test_an_answer_after_a_slow_body_still_has_its_limit() -> None:
    """The time is not unlimited: it begins anew, and ends with 504."""
    assert upload([0.05] * 5, 30, timeout_s=0.1) == 504


def test_a_body_that_does_not_arrive_is_the_clients_fault() -> None:
    """A client that stops sending gets 408, not 504; so does one that never ends."""
    assert upload([0], 0, body_pause_s=0.02) == 408
    assert upload([0.01] * 100_000, 0, body_s=0.05) == 408
