"""Digit classification over HTTP with BentoML and ONNX Runtime; contains nothing for training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.app import DigitService

__version__ = "1.0.0"

__all__ = ["DigitService"]


def __getattr__(name: str) -> Any:
    """Import the BentoML service when it is asked for, so that `training` can use the session without starting one."""
    if name != "DigitService":
        raise AttributeError(f"module 'service' has no attribute {name!r}")
    from service.app import DigitService  # noqa: PLC0415

    return DigitService
