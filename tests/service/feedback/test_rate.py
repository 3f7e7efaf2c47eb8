"""One client can correct so often; others are not kept waiting by it, and nobody's address is kept."""

from __future__ import annotations

import pytest
from feedback_samples import Clock

from service.errors import TooManyRequests
from service.feedback import rate as module
from service.feedback.rate import ClientRate


def allowed(rate: ClientRate, address: str, tries: int) -> int:
    """Count how many of so many tries pass."""
    passed = 0
    for _ in range(tries):
        try:
            rate.take(address)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_a_client_has_its_share_and_gets_it_again_with_time() -> None:
    """A minute's worth at once, then as time goes by; the error says when."""
    clock = Clock()
    rate = ClientRate(6, clock)
    assert allowed(rate, "192.0.2.1", 20) == 6
    assert allowed(rate, "192.0.2.2", 20) == 6
    with pytest.raises(TooManyRequests, match="6 corrections within a minute") as caught:
        rate.take("192.0.2.1")
    assert caught.value.retry_after_s == 10
    clock.now = 10
    assert allowed(rate, "192.0.2.1", 20) == 1
    clock.now = 10_000
    assert allowed(rate, "192.0.2.1", 20) == 6


def test_a_small_rate_lets_one_through() -> None:
    """Less than one a minute is a rate too."""
    assert allowed(ClientRate(0.5, Clock()), "192.0.2.1", 5) == 1


def test_one_household_of_ipv6_is_one_client() -> None:
    """It has 2^64 addresses; and an IPv4 address is the same one, however it is written."""
    rate = ClientRate(2, Clock())
    assert allowed(rate, "2001:db8::1", 5) + allowed(rate, "2001:db8::2:3", 5) == 2
    assert allowed(rate, "2001:db8:0:1::1", 5) == 2
    assert allowed(rate, "192.0.2.1", 5) + allowed(rate, "::ffff:192.0.2.1", 5) == 2
    assert allowed(rate, "", 5) == 2


def test_the_clients_that_are_known_are_bounded_and_nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many addresses fill no memory, and none of them can be read from it."""
    monkeypatch.setattr(module, "CLIENTS", 10)
    rate = ClientRate(1, Clock())
    for number in range(50):
        rate.take(f"192.0.2.{number}")
    assert len(rate._clients) == 10
    assert all(len(client) == 16 and b"192" not in client for client in rate._clients)
