"""The check of hostile requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks.chaos.attacks import Attack, attacks
from benchmarks.chaos.traffic import MAX_GROWTH_MIB, service, workers_of
from benchmarks.soak import resident_mib

HARMLESS = {200, 204, 400, 401, 404, 405, 408, 413, 415, 422, 429, 431, 503, 504}
ATTACKS = 10_000
WARM_UP = 1_000  # so that each of the slowest pictures has come, in several threads
MAX_ATTACK_S = 10.0


def hostile() -> tuple[bool, str]:
    """10,000 hostile requests: nothing but refusals, no death, no hang, no growth."""
    with service() as (process, port):
        list(asyncio.run(_attack(port, attacks(WARM_UP, 0))))
        workers, before = workers_of(process), resident_mib(process.pid)
        results = asyncio.run(_attack(port, attacks(ATTACKS, 1)))
        after = resident_mib(process.pid)
        alive = workers_of(process) == workers
    statuses = Counter(status for _, status, _ in results)
    odd = [(attack.name, status) for attack, status, _ in results if status and status not in HARMLESS]
    slowest = max(seconds for _, _, seconds in results)
    good = not odd and alive and slowest < MAX_ATTACK_S and after - before < MAX_GROWTH_MIB
    detail = f"{dict(sorted(statuses.items()))} (0: closed without an answer), slowest {slowest:.2f} s, "
    return (
        good,
        detail + f"memory {before:.0f} to {after:.0f} MiB, worker alive: {alive}, not harmless: {odd[:5] or 'none'}",
    )


async def _attack(port: int, drawn: Iterator[Attack]) -> list[tuple[Attack, int, float]]:
    results: list[tuple[Attack, int, float]] = []

    async def client() -> None:
        for attack in drawn:
            began = time.monotonic()
            results.append((attack, await _one(port, attack), time.monotonic() - began))

    await asyncio.gather(*(client() for _ in range(8)))
    return results


async def _one(port: int, attack: Attack) -> int:
    answer = b""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(attack.wire)
        if b"Connection: close" not in attack.wire:
            writer.write_eof()
        async with asyncio.timeout(30):
            answer = await reader.read(2**20)
        writer.close()
    except (OSError, TimeoutError):
        pass
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
