"""Times calls within this process, in a way that other load on the machine hardly moves."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any


async def fastest(calls: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Time plain calls and coroutine functions by turns for so many seconds; microseconds of each.

    Processor time of the whole process, the least of many short runs: a run that shared its core, or that was moved to
    another, took longer, and none ever took less. Each run has so many calls that the clock's 1 µs does not matter.
    """
    counts = {name: await _calls_in_a_run(call) for name, call in calls.items()}
    least = dict.fromkeys(calls, float("inf"))
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        for name, call in calls.items():
            least[name] = min(least[name], await _run(call, counts[name]))
    return {name: spent * 1e6 for name, spent in least.items()}


async def _calls_in_a_run(call: Callable[[], Any], run_s: float = 0.0005) -> int:
    await _run(call, 1)
    return max(1, int(run_s / await _run(call, 1)))


async def _run(call: Callable[[], Any], count: int) -> float:
    started = time.process_time()
    if inspect.iscoroutinefunction(call):
        for _ in range(count):
            await call()
    else:
        for _ in range(count):
            call()
    return max(time.process_time() - started, 1e-9) / count
