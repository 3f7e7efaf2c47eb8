"""This service with one thing changed, to see what that thing is worth: `python -m benchmarks --only digits no-freeze`.

Started as `python -m benchmarks.variants NAME --port PORT`: one worker, as the supervisor starts it.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import in_starlette, with_python_multipart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.session import Outputs


@dataclass(frozen=True)
class Variant:
    """One change: settings, or something done before the worker starts."""

    title: str
    environment: dict[str, str] = field(default_factory=dict)
    change: Callable[[], None] | None = None


def _no_freeze() -> None:
    gc.freeze = _nothing


def _uvicorn(**options: Any) -> Callable[[], None]:
    """Start uvicorn with other options than service/server/worker.py asks for."""

    def change() -> None:
        import uvicorn  # noqa: PLC0415

        plain = uvicorn.Config.__init__

        def changed(self: uvicorn.Config, *given: Any, **named: Any) -> None:
            plain(self, *given, **{**named, **options})

        uvicorn.Config.__init__ = changed  # type: ignore[method-assign]

    return change


def _inline(images: int) -> Callable[[], None]:
    """Run batches of up to so many images on the event loop."""

    def change() -> None:
        from service.recognition import batcher  # noqa: PLC0415

        plain = batcher.Batcher.__init__

        def changed(self: batcher.Batcher, *given: Any, **named: Any) -> None:
            plain(self, *given, **{**named, "max_inline": images})

        batcher.Batcher.__init__ = changed  # type: ignore[method-assign]

    return change


def _bentoml_batching() -> None:
    from service.recognition import async_recogniser  # noqa: PLC0415

    async_recogniser.Batcher = DispatcherBatcher  # type: ignore[assignment,misc]


class DispatcherBatcher:
    """BentoML's adaptive batching in the place of our batcher, called as BentoML calls it for a `def` API."""

    def __init__(self, run: Callable[[NDArray[np.uint8]], Outputs], *, max_batch: int, **_: Any) -> None:
        from bentoml._internal.marshal.dispatcher import CorkDispatcher  # noqa: PLC0415

        dispatcher: Any = CorkDispatcher(10_000, max_batch, fallback=_nothing, get_batch_size=len)
        self.submit = dispatcher(self._together)
        self._run = run

    def _together(self, batches: Sequence[NDArray[np.uint8]]) -> list[Outputs]:
        outputs = self._run(np.concatenate(batches))
        ends = np.cumsum([len(batch) for batch in batches])[:-1]
        return [
            type(outputs)(*rows)
            for rows in zip(np.split(outputs.logits, ends), np.split(outputs.probabilities, ends), strict=True)
        ]

    def close(self) -> None:
        """Nothing to close."""


def _plain_connection() -> None:
    """Have uvicorn's own connection in the place of service/server/connection.py."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415

    from service.server import drain  # noqa: PLC0415

    drain.GuardedConnection = HttpToolsProtocol  # type: ignore[misc,assignment]


VARIANTS = {
    "one-worker": Variant("as it is"),
    "no-freeze": Variant("without gc.freeze", change=_no_freeze),
    "no-batching": Variant("max_batch 1", {"DIGITS_MAX_BATCH": "1"}),
    "wait-2ms": Variant("max_wait 2 ms", {"DIGITS_MAX_WAIT_MS": "2"}),
    "bentoml-batching": Variant("BentoML's batcher", change=_bentoml_batching),
    "inline-0": Variant("network in a thread", change=_inline(0)),
    "inline-16": Variant("up to 16 on the loop", change=_inline(16)),
    "inline-64": Variant("up to 64 on the loop", change=_inline(64)),
    "access-log": Variant("with access log", {"DIGITS_ACCESS_LOG": "true"}),
    "h11": Variant("h11", change=_uvicorn(http="h11")),
    "asyncio": Variant("asyncio's loop", change=_uvicorn(loop="asyncio")),
    "uvicorn-connection": Variant("uvicorn's connection", change=_plain_connection),
    "starlette": Variant("Starlette's routing", change=in_starlette.change),
    "python-multipart": Variant("python-multipart", change=with_python_multipart.change),
    "websockets": Variant("WebSocket check", change=_uvicorn(ws="auto")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one variant until a signal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variants", description="Serve with one thing changed.")
    parser.add_argument("name", choices=VARIANTS)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    variant = VARIANTS[options.name]
    os.environ.update(variant.environment)
    from service.server import worker  # noqa: PLC0415 - the settings are read when the service is imported

    if variant.change is not None:
        variant.change()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=2048)
    ours, theirs = socket.socketpair()
    with ours:
        return worker.main([f"--socket={listener.detach()}", f"--supervisor={theirs.detach()}", "--number=1"])


def _nothing(*_: object) -> None:
    """Take the place of something that is left out."""


if __name__ == "__main__":
    sys.exit(main())
