"""The whole service as an ASGI application for other servers: without our supervisor, connection, drain and backlog."""

from __future__ import annotations

from typing import Any

from bentoml._internal.context import server_context

from service import DigitService
from service.server.drain import Drain
from service.telemetry.counting import count_in_memory

count_in_memory()
definition: Any = DigitService
server_context.worker_index = 1
server_context.service_type = "entry_service"
server_context.service_name = server_context.bento_name = definition.name
server_context.bento_version = "not available"
Drain.install = lambda _: None  # type: ignore[method-assign]
definition.inner.check()
app = definition.to_asgi()
