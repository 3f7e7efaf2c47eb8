"""The command `python -m service`: options, sockets, and the environment of the workers."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from service.server.metric_files import MetricFiles
from service.server.supervisor import StartError, Supervisor, say

BACKLOG = 2048
EVERY_ADDRESS = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - often writable where nothing else is
# glibc gives each thread an arena of its own, which never shrinks; two are plenty for a few threads.
WORKER_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "BENTOML_DO_NOT_TRACK": "True"}


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    port: int
    workers: int


def main(arguments: list[str] | None = None) -> int:
    """Run the service; return the exit status."""
    _open_standard_streams()
    options = parse(arguments)
    os.environ.update({name: os.environ.get(name, value) for name, value in WORKER_ENVIRONMENT.items()})
    os.environ["DIGITS_WORKERS"] = str(options.workers)
    try:
        _refuse_windows()
        raise_file_limit()
        with ExitStack() as stack:
            listener = stack.enter_context(bind(options.host, options.port))
            files = stack.enter_context(metric_files(options.workers))
            greeting = f"listening on {address(options.host, listener.getsockname()[1])}"
            return Supervisor(options.workers, listener, files, greeting).run()
    except StartError as error:
        say(f"error: {error}")
        return 1


def parse(arguments: list[str] | None = None) -> Options:
    """Read the command line; PORT and DIGITS_WORKERS are the defaults of --port and --workers."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve handwritten digits over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; :: is every one)")
    port = os.environ.get("PORT") or 3000
    parser.add_argument(
        "--port", type=int, default=port, help="port to listen on (PORT, or 3000); 0 takes any free one"
    )
    parser.add_argument("--workers", type=int, default=os.environ.get("DIGITS_WORKERS") or 1, help="processes (1)")
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error(f"argument --port: {options.port} is not between 0 and 65535")
    if not 1 <= options.workers <= 256:
        parser.error(f"argument --workers: {options.workers} is not between 1 and 256")
    return Options(options.host, options.port, options.workers)


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes any free one, and `::` answers IPv4 as well.

    Raises:
        StartError: the port is taken, or the address is not ours to bind.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"cannot listen on {host} port {port}: {reason}; choose others by --host and --port") from None


def address(host: str, port: int) -> str:
    """Return the URL at which a browser on this machine finds the service."""
    if host in EVERY_ADDRESS:
        return f"every address, http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
