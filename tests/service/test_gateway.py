"""The gateway, against the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from conftest import Server


def test_a_started_server_is_ready(server: Server) -> None:
    """The readiness route answers 200 once the worker has loaded its model."""
    assert httpx.get(f"{server.url}/readyz").status_code == 200
