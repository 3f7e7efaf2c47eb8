"""The floor: an ASGI callable without any framework, which takes raw pixels and parses nothing."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.peers.model import Model

model = Model()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer N × 784 bytes with N digits; an empty body with an empty list."""
    if scope["type"] != "http":
        return
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    content = json.dumps(model.digits(b"".join(chunks))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
