"""The checks of too many clients, and of slow ones."""

from __future__ import annotations

import asyncio
import time

from benchmarks import slow as slow_clients
from benchmarks.chaos.traffic import LARGER, MAX_GROWTH_MIB, Tally, for_seconds, load, service
from benchmarks.soak import resident_mib
from service.recognition.admission import LONGEST_WAIT_S

MAX_P99_S = 3.0


def slow() -> tuple[bool, str]:
    """A slow, steady upload is answered; a thousand that trickle are refused, and disturb nobody."""
    with service() as (process, port):
        return asyncio.run(slow_clients.measure(port, process.pid))


def overload() -> tuple[bool, str]:
    """300 connections on one worker: only 200, 429 and 503, in bounded time, and back to normal at once."""
    with service() as (process, port):
        calm, burst, after = Tally(), Tally(), Tally()
        asyncio.run(load(port, LARGER, 16, for_seconds(5), calm))
        before = resident_mib(process.pid)
        asyncio.run(load(port, LARGER, 300, for_seconds(10), burst))
        memory = resident_mib(process.pid)
        time.sleep(1)
        asyncio.run(load(port, LARGER, 16, for_seconds(5), after))
    bound = 1.5 * LONGEST_WAIT_S + 3 * calm.p99()  # the average follows the pictures with a delay
    good = set(burst.statuses) <= {200, 429, 503} and not burst.no_retry_after and not burst.broken
    good = good and burst.p99() < min(MAX_P99_S, bound) and memory - before < MAX_GROWTH_MIB
    good = good and set(after.statuses) == {200} and after.p99() < 3 * calm.p99()
    return good, (
        f"16 connections: {calm}; 300 connections: {burst}, {burst.no_retry_after} refusals without Retry-After, "
        f"memory {before:.0f} to {memory:.0f} MiB; a second later: {after}"
    )
