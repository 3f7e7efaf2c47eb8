"""One server process of `python -m service`: BentoML's application in uvicorn, on the parent's listening socket."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import tempfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    from service.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal arrives or the supervisor is gone; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m service.server.worker", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of the listening socket")
    parser.add_argument("--supervisor", type=int, required=True, help="file descriptor of the pipe to the supervisor")
    parser.add_argument("--number", type=int, required=True, help="this worker's number, from 1")
    parser.add_argument("--file", help="the listening socket's file, if it has one, as SocketFile writes it")
    parser.add_argument("--slot", type=int, help="number under which this worker counts beside others; alone without")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)  # until the server is up; and for uvicorn, which raises it again at its end
    gc.disable()  # next to nothing of what is imported becomes garbage; on again when the application is up
    with socket.socket(fileno=options.socket) as listener, socket.socket(fileno=options.supervisor) as supervisor:
        _serve(listener, supervisor, options)
    return 0


def _serve(listener: socket.socket, supervisor: socket.socket, options: argparse.Namespace) -> None:
    # BentoML imports httpx, which imports its command line program, and rich with it, unless it cannot: 0.08 s.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    import uvicorn  # noqa: PLC0415 - the imports take more than a second, which belongs behind the signal handlers
    from bentoml._internal.context import server_context  # noqa: PLC0415
    from bentoml._internal.log import configure_server_logging  # noqa: PLC0415

    _keep_bentoml_out_of_temporary_folders()
    configure_server_logging()  # type: ignore[no-untyped-call]
    # this and the context: as BentoML's own worker does
    server_context.worker_index = options.number
    server_context.service_type = "entry_service"
    from service.server.drain import longest_stop_s  # noqa: PLC0415
    from service.server.listening import BACKLOG, SocketFile  # noqa: PLC0415
    from service.settings import load_settings  # noqa: PLC0415
    from service.telemetry.counting import count_in_memory, count_in_slot  # noqa: PLC0415

    count_in_memory() if options.slot is None else count_in_slot(options.slot)
    from service import DigitService  # noqa: PLC0415

    definition: Any = DigitService  # to mypy it still is the class; the decorator made it a bentoml.Service
    server_context.service_name = server_context.bento_name = definition.name
    server_context.bento_version = "not available"
    definition.inner.check()
    settings = load_settings()
    stop_s = longest_stop_s(settings)
    app = definition.to_asgi()
    app.listeners = (listener,)
    if options.file is not None:
        app.forget_address = SocketFile.read(options.file).remove
    definition.bind_beside(listener)
    app.is_last = lambda: _has_gone(supervisor)
    app.on_startup(gc.enable)
    app.on_startup(lambda: _greet(supervisor, stop_s))
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = _certificate(settings)
    uvicorn.Server(config).run(sockets=[listener])


def _certificate(settings: Settings) -> ssl.SSLContext | None:
    if settings.ssl_certfile is None:
        return None
    from service.server.tls import CertificateError, server_context  # noqa: PLC0415

    try:
        return server_context(settings.ssl_certfile, settings.ssl_keyfile)
    except CertificateError as error:
        raise SystemExit(f"error: {error}") from None


def _keep_bentoml_out_of_temporary_folders() -> None:
    """Let BentoML's application start even if no temporary folder is writable.

    It makes a client of itself, and with it an empty folder for files that such a client may be sent; nobody calls it.
    """
    from _bentoml_impl.client import http, proxy2  # noqa: PLC0415

    for module in (http, proxy2):
        module.tempfile = SimpleNamespace(
            TemporaryDirectory=lambda **_: SimpleNamespace(name=None, cleanup=lambda: None),
            NamedTemporaryFile=tempfile.NamedTemporaryFile,
        )


def _greet(supervisor: socket.socket, stop_s: float) -> None:
    """Tell the supervisor that this worker is ready and how long its shutdown may take; stop if the supervisor dies."""
    supervisor.send(b"%f" % stop_s)
    loop = asyncio.get_running_loop()

    def _gone() -> None:
        loop.remove_reader(supervisor)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(supervisor, _gone)


def _has_gone(supervisor: socket.socket) -> bool:
    """Whether the supervisor has closed its end of the pipe: it stops all workers, or has died."""
    try:
        return not supervisor.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:  # it has died before it read that this worker is ready
        return True


def _leave(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
