"""Checks that the packages for the gRPC port are installed, without importing them."""

from __future__ import annotations

import importlib.util

from bentoml._internal.context import server_context

from service.errors import ConfigurationError


def check_grpc() -> None:
    """Raise ConfigurationError if the gRPC port cannot be served."""
    missing = [name for name in ("grpc", "google.protobuf") if not _is_installed(name)]
    if missing:
        raise ConfigurationError(
            f"DIGITS_GRPC_PORT is set, but {' and '.join(missing)} cannot be imported; install the extra that has it, "
            "pip install '.[grpc]', or unset DIGITS_GRPC_PORT"
        )
    if server_context.worker_index is None:
        raise ConfigurationError(
            "DIGITS_GRPC_PORT is set, but `bentoml serve` opens only one port; start with `python -m service`, "
            "or unset it"
        )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package above it
        return False
