"""Rate limit of corrections: a token bucket for each client, in memory."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from service.errors import TooManyRequests

CLIENTS: Final = 4096  # that are told apart at a time; the one that was quiet for longest is forgotten first


class ClientRate:
    """Allows each client a number of corrections per minute, at once or spread out.

    A client is its network address (of IPv6, the /64 that one household has), kept as a hash with a key of this
    process: nothing that is kept names anybody.

    Args:
        per_minute: what one client may do in a minute.
        now: a clock in seconds that never goes back.
    """

    def __init__(self, per_minute: float, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._most = max(1.0, per_minute)
        self._now = now
        self._key = os.urandom(16)
        self._clients: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Count one.

        Raises:
            TooManyRequests: this client has had its share; the error says when to come again.
        """
        client = hashlib.blake2b(_network(address).encode(), key=self._key, digest_size=16).digest()
        now = self._now()
        left, at = self._clients.pop(client, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_minute / 60)
        allowed = left >= 1
        self._clients[client] = (left - 1 if allowed else left, now)
        if len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)
        if not allowed:
            raise TooManyRequests(
                f"this client has sent {self._per_minute:g} corrections within a minute, which is the limit; "
                "send the others later",
                math.ceil((1 - left) * 60 / self._per_minute),
            )


def _network(address: str) -> str:
    """Return a client's key: an IPv4 address, the /64 of an IPv6 address, or the text unchanged."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
