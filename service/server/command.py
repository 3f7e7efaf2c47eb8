"""The command `python -m service`: options, sockets, and the environment of the workers."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.server.listening import address, bind, bind_file
from service.server.metric_files import MetricFiles
from service.server.supervisor import StartError, Supervisor, say

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - often writable where nothing else is
# glibc gives each thread an arena of its own, which never shrinks; two are plenty for a few threads.
WORKER_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "BENTOML_DO_NOT_TRACK": "True"}


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    workers: int
    uds: str | None
    certificate: str | None
    key: str | None
    root_path: str | None


def main(arguments: list[str] | None = None) -> int:
    """Run the service; return the exit status."""
    _open_standard_streams()
    options = parse(arguments)
    os.environ.update({name: os.environ.get(name, value) for name, value in WORKER_ENVIRONMENT.items()})
    _hand_down(options)
    try:
        _refuse_windows()
        scheme = _check_certificate(options)
        raise_file_limit()
        with ExitStack() as stack:
            listening: tuple[str, ...] = ()
            if options.uds is None:
                listener = stack.enter_context(bind(options.host, options.port))
                where = address(options.host, listener.getsockname()[1], scheme)
            else:
                listener, file = bind_file(options.uds)
                stack.enter_context(listener)
                stack.callback(file.remove)
                listening = ("--file", file.write())
                where = f"{scheme}+unix://{options.uds}, which owner and group may write to"
            files = stack.enter_context(metric_files(options.workers))
            return Supervisor(options.workers, listener, files, f"listening on {where}", listening).run()
    except StartError as error:
        say(f"error: {error}")
        return 1


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; variables are the defaults: PORT, and DIGITS_ with the name of the option."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve handwritten digits over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; :: means every address)")
    port = os.environ.get("PORT") or 3000
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, default=port, help="port to listen on (PORT, or 3000); 0 takes any free one")
    where.add_argument("--uds", default=_set("UDS"), metavar="PATH", help="Unix socket to listen on, instead of a port")
    parser.add_argument("--workers", type=int, default=_set("WORKERS") or 1, help="server processes (1)")
    parser.add_argument(
        "--ssl-certfile",
        default=_set("SSL_CERTFILE"),
        metavar="PEM",
        help="serve TLS with this certificate and its chain",
    )
    parser.add_argument(
        "--ssl-keyfile",
        default=_set("SSL_KEYFILE"),
        metavar="PEM",
        help="the certificate's key (default: in the same file)",
    )
    parser.add_argument(
        "--root-path",
        default=_set("ROOT_PATH"),
        metavar="PATH",
        help="path under which a proxy publishes the service, such as /digits",
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error(f"argument --port: {options.port} is not between 0 and 65535")
    if not 1 <= options.workers <= 256:
        parser.error(f"argument --workers: {options.workers} is not between 1 and 256")
    if options.ssl_keyfile and not options.ssl_certfile:
        parser.error("argument --ssl-keyfile: there is no certificate to it; add --ssl-certfile")
    return Options(
        options.host,
        options.port,
        options.workers,
        options.uds,
        options.ssl_certfile,
        options.ssl_keyfile,
        options.root_path,
    )


def _set(name: str) -> str | None:
    return os.environ.get(f"DIGITS_{name}") or None


def _hand_down(options: Options) -> None:
    """Let the workers see by their settings what the command line says."""
    said = {
        "WORKERS": str(options.workers),
        "UDS": options.uds,
        "SSL_CERTFILE": options.certificate,
        "SSL_KEYFILE": options.key,
        "ROOT_PATH": options.root_path,
    }
    os.environ.update({f"DIGITS_{name}": value for name, value in said.items() if value is not None})


def _check_certificate(options: Options) -> str:
    """Return the scheme of the URL; the workers load the certificate, here it is only tried."""
    if options.certificate is None:
        return "http"
    from service.server.tls import CertificateError, server_context  # noqa: PLC0415 - 5 MiB that plain HTTP saves

    try:
        server_context(Path(options.certificate), Path(options.key) if options.key else None)
    except CertificateError as error:
        raise StartError(str(error)) from None
    return "https"


@contextmanager
def metric_files(workers: int) -> Iterator[MetricFiles]:
    """Make a folder for the metric files of several workers; a single worker counts in memory."""
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if workers == 1:
        yield MetricFiles(None)
        return
    for parent in (None, SHARED_MEMORY):
        with suppress(OSError):
            folder = tempfile.TemporaryDirectory(prefix="digits-metrics-", dir=parent, ignore_cleanup_errors=True)
            break
    else:
        say(f"no folder is writable, so /metrics has only the counts of the worker that answers, one of {workers}")
        yield MetricFiles(None)
        return
    with folder as name:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = name
        yield MetricFiles(Path(name))


def raise_file_limit() -> None:
    """Raise the limit on file descriptors to the maximum: each connection is one, and the usual soft limit is 1,024.

    Some systems name no limit and then refuse it (macOS), or have none to raise.
    """
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2**20 if hard == resource.RLIM_INFINITY else hard
    for limit in (most, 10240):  # macOS: OPEN_MAX, beyond which it refuses any number
        if soft != resource.RLIM_INFINITY and soft < limit:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                return


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise StartError("python -m service needs Linux or macOS; use WSL, or the image")


def _open_standard_streams() -> None:
    """Open closed standard streams (`<&-`): otherwise a socket would get their number, and children would lose it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
