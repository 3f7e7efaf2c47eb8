"""The servers that are measured: how each is started, what it is asked, and what it costs to keep."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.load import BenchmarkError
from benchmarks.pictures import drawing, photo, png, snapshot
from benchmarks.variants import VARIANTS
from benchmarks.workloads import BATCH, Call, form, images, tensor
from service.contract import SIDE
from service.model.artifact import load_artifact
from service.settings import load_settings

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60
STOP_LIMIT_S = 15
UVICORN = ("-m", "uvicorn", "--port={port}", "--workers={workers}", "--no-access-log", "--log-level=warning")
OCTETS = {"Content-Type": "application/octet-stream"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """One server.

    Attributes:
        title: how the table calls it.
        command: words after the Python interpreter; {port} and {workers} are filled in.
        ready: path that answers 200 once requests are taken; empty for a server without HTTP.
        live: path to probe while photos are under way.
        calls: what it is asked, by workload; a workload that it has no route for is missing.
        environment: variables beside those of this process.
        python: the interpreter.
    """

    title: str
    command: tuple[str, ...]
    ready: str
    live: str
    calls: dict[str, Call]
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable


@dataclass(frozen=True)
class Running:
    """A started server that has answered: its address, process, and seconds from start to that answer."""

    url: str
    process: subprocess.Popen[bytes]
    ready_s: float

    def resident_mib(self) -> float:
        """Resident memory of all its processes, MiB; pages that they share count in each."""
        resident = 0
        for process in _family(self.process.pid):
            with suppress(psutil.Error):
                resident += process.memory_info().rss
        return resident / 2**20

    def cpu_s(self) -> float:
        """Processor time that all its processes have taken so far, seconds."""
        spent = 0.0
        for process in _family(self.process.pid):
            with suppress(psutil.Error):
                times = process.cpu_times()
                spent += times.user + times.system
        return spent


def servers() -> dict[str, Server]:
    """Name to server: this one, and the peers."""
    one, many = images(1), images(64)
    files = [png(image) for image in images(BATCH)]
    batch = form(files, "images")
    infer = "/v2/models/digits/infer"
    bodies = {
        "upload": form(files[:1], "image"),
        "blank": form([png(np.full((SIDE, SIDE), 200, np.uint8))], "image"),
        "drawing": form([drawing()], "image"),
        "snapshot": form([snapshot()], "image", "image/jpeg"),
        "photo": form([photo()], "image", "image/jpeg"),
    }
    ours = {
        **{name: Call("/predict", *body) for name, body in bodies.items()},
        "raw": Call("/predict", files[0], {"Content-Type": "image/png"}),
        "pixels1": Call(infer, *tensor(one)),
        "pixels64": Call(infer, *tensor(many)),
        "batch32": Call("/predict_batch", *batch),
    }
    return {
        "digits": Server(
            "this service",
            ("-m", "service", "--port={port}", "--workers={workers}"),
            "/readyz",
            "/livez",
            ours,
        ),
        "bentoml-serve": Server(
            "this service under `bentoml serve`",
            ("-m", "bentoml", "serve", "service:DigitService", "--port={port}"),
            "/readyz",
            "/livez",
            ours,
        ),
        **{
            name: Server(variant.title, ("-m", "benchmarks.variants", name, "--port={port}"), "/readyz", "/livez", ours)
            for name, variant in VARIANTS.items()
        },
        "asgi": Server(
            "bare ASGI",
            (*UVICORN, "benchmarks.peers.asgi_floor:app"),
            "/",
            "/",
            {"pixels1": Call("/", one.tobytes(), OCTETS), "pixels64": Call("/", many.tobytes(), OCTETS)},
        ),
        "fastapi": Server(
            "FastAPI by hand",
            (*UVICORN, "benchmarks.peers.fastapi_server:app"),
            "/ready",
            "/ready",
            {
                **{name: Call("/predict", *body) for name, body in bodies.items()},
                "raw": Call("/predict_raw", files[0], {"Content-Type": "image/png"}),
                "pixels1": Call("/pixels", one.tobytes(), OCTETS),
                "pixels64": Call("/pixels", many.tobytes(), OCTETS),
                "batch32": Call("/predict_batch", *batch),
            },
        ),
        "bentoml": Server(
            "BentoML quick start",
            ("-m", "bentoml", "serve", "benchmarks.peers.bentoml_quickstart:Quickstart", "--port={port}"),
            "/readyz",
            "/livez",
            {
                **{name: Call("/predict", *body) for name, body in bodies.items()},
                "pixels1": Call("/pixels", json.dumps({"images": one.tolist()}).encode(), JSON),
                "pixels64": Call("/pixels", json.dumps({"images": many.tolist()}).encode(), JSON),
            },
        ),
    }


@contextmanager
def running(server: Server, workers: int = 1) -> Iterator[Running]:
    """Start a server on a free port, wait until it is ready, and stop it and all its processes in the end.

    Raises:
        BenchmarkError: it ends, or is not ready in time; the message has the end of its log.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "BENCH_MODEL": str(load_artifact(load_settings().model).model_path),
        "BENCH_WORKERS": str(workers),
        "DIGITS_WORKERS": str(workers),
        "BENTOML_DO_NOT_TRACK": "True",
        "ORT_DISABLE_TELEMETRY": "1",  # as ours has it; the others would report each session
        **server.environment,
    }
    command = [server.python, *(word.format(port=port, workers=workers) for word in server.command)]
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            if server.ready and not _answers(process, port, server.ready, started + START_LIMIT_S):
                log.seek(0)
                tail = log.read()[-1000:].decode(errors="replace")
                raise BenchmarkError(f"{server.title} did not become ready (`{' '.join(command)}`):\n{tail}")
            yield Running(f"http://127.0.0.1:{port}", process, time.perf_counter() - started)
        finally:
            _stop(process)


def _answers(process: subprocess.Popen[bytes], port: int, path: str, deadline: float) -> bool:
    while process.poll() is None and time.perf_counter() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        finally:
            connection.close()
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server politely, then whatever of it is left."""
    family = _family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
    for one in family:
        with suppress(psutil.Error):
            one.kill()
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []
