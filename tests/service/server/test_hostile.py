"""Hostile requests of every kind get refusals; `python -m benchmarks.chaos hostile` throws ten thousand of them."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from benchmarks.chaos.attacks import attacks
from benchmarks.chaos.wire import Attack

if TYPE_CHECKING:
    from serving import Server

HARMLESS = {200, 204, 400, 401, 404, 405, 408, 413, 415, 422, 431, 503, 504}
KINDS = 14


def throw(server: Server, attack: Attack) -> int:
    """Send one attack and return the status of its answer; 0 where the server only closed."""
    answer = b""
    with server.connect() as connection, suppress(ConnectionError):
        connection.sendall(attack.wire)
        if b"Connection: close" not in attack.wire:
            connection.shutdown(socket.SHUT_WR)
        while chunk := connection.recv(65536):
            answer += chunk
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.mark.parametrize("seed", range(3))
def test_no_hostile_request_gets_more_than_a_refusal(server: Server, seed: int) -> None:
    """Mutated pictures, bombs, broken forms, lying tensors, odd JSON, paths, pickles, URLs and framing: no 500."""
    seen: Counter[int] = Counter()
    for attack in attacks(KINDS * 8, seed):
        status = throw(server, attack)
        assert status in HARMLESS | {0}, attack
        seen[status] += 1
    assert {400, 404, 413, 415, 422} <= set(seen), seen  # the attacks reach what they are meant to reach
