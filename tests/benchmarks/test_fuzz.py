"""The fuzzing of `make chaos`: what it draws is answered, and what fails is found and made small."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import httpx

from benchmarks.chaos.fuzz import Body, search

if TYPE_CHECKING:
    from serving import Server

LONG = 600.0


def test_drawn_and_damaged_pictures_get_an_answer_or_a_refusal(server: Server) -> None:
    """One round, the same each time; `python -m benchmarks.chaos fuzz` goes on for minutes."""
    statuses: Counter[int] = Counter()
    with httpx.Client(base_url=server.url, timeout=30) as client:

        def ask(body: Body) -> int:
            return client.post("/predict", content=body.data, headers={"content-type": body.kind}).status_code

        assert search(ask, statuses, LONG, first=0, rounds=1, each=100) is None
    assert {200, 400, 422} <= set(statuses), statuses


def test_what_fails_is_found_and_made_small() -> None:
    """A server that breaks at any form of a JPEG: the search ends at a body that shows it."""
    found = search(lambda body: 500 if b"JFIF" in body.data else 200, Counter(), LONG, first=0, rounds=9, each=100)
    assert found is not None
    assert b"JFIF" in found.data
    assert len(found.data) < 2000
