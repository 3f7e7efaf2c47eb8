"""Limits on slow bodies: phones upload slowly but steadily, attackers as slowly as allowed."""

from __future__ import annotations

from typing import Final, NamedTuple

RATE_WINDOW_S: Final = 10.0  # a moment in a tunnel is made up for within it
MAX_LOOK_S: Final = 1.0


class PaceLimits(NamedTuple):
    """Seconds for a complete body, seconds without a byte, and the lowest KiB/s over each RATE_WINDOW_S."""

    whole_s: float
    pause_s: float
    kib_s: float


class Pace:
    """Watches one body arrive.

    Args:
        limits: what it is held to.
        now: when the watching begins, in seconds of any clock.
    """

    __slots__ = ("_began_at", "_limits", "_seen", "_seen_at", "_window", "_window_at")

    def __init__(self, limits: PaceLimits, now: float) -> None:
        self._limits = limits
        self._began_at = self._seen_at = self._window_at = now
        self._seen = self._window = 0

    @property
    def look_s(self) -> float:
        """Seconds between two checks."""
        return min(MAX_LOOK_S, self._limits.pause_s / 2, self._limits.whole_s / 2)

    def lateness(self, received: int, now: float) -> str | None:
        """Return what is too slow, with its remedy, if so many bytes have arrived by now; None if nothing is."""
        limits = self._limits
        if received > self._seen:
            self._seen, self._seen_at = received, now
        if now - self._began_at >= limits.whole_s:
            return f"the body did not arrive within {limits.whole_s:g} s; send less, or raise DIGITS_BODY_S"
        if now - self._seen_at >= limits.pause_s:
            return f"nothing of the body came for {limits.pause_s:g} s; send it in one go, or raise DIGITS_BODY_PAUSE_S"
        window_s = now - self._window_at
        if window_s >= RATE_WINDOW_S:
            rate = (received - self._window) / 1024 / window_s
            if rate < limits.kib_s:
                return (
                    f"the body came at {rate:.1f} KiB/s for {window_s:.0f} s, expected {limits.kib_s:g} or more; "
                    "send less, or lower DIGITS_BODY_KIB_S"
                )
            self._window, self._window_at = received, now
        return None
