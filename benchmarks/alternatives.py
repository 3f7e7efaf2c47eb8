"""What other servers make of what service/server/ is for: `python -m benchmarks.alternatives [ours uvicorn …]`.

    pip install gunicorn uvicorn-worker hypercorn granian

Each serves this same application with two workers and goes through the same trials; the table is docs/decisions/'s.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil

from benchmarks.servers import ROOT
from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL

APP = "benchmarks.peers.alone:app"
SERVERS = {
    "ours": ("-m", "service", "--port={port}", "--workers=2"),
    "uvicorn": ("-m", "uvicorn", APP, "--port={port}", "--workers=2", "--log-level=error"),
    "gunicorn": ("-m", "gunicorn", APP, "-k=uvicorn_worker.UvicornWorker", "-w=2", "-b=127.0.0.1:{port}"),
    "hypercorn": ("-m", "hypercorn", APP, "-w=2", "-b=127.0.0.1:{port}"),
    "granian": (
        *("-m", "granian", APP, "--interface=asgi", "--workers=2", "--port={port}", "--no-ws"),
        "--respawn-failed-workers",
    ),
}
KEEP_ALIVE = 16
GET = b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
SETTLE_S = 6.0
HEARD_S = 1.5  # uvicorn hands a signal on half a second later


class Trial:
    """One started server, with a model of its own that can be broken."""

    def __init__(self, name: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.model = folder / "1"
        self.log = (folder / "log").open("w+b")
        environment = {**os.environ, "DIGITS_MODEL": str(self.model), "DIGITS_LAME_DUCK_S": "3"}
        words = [sys.executable, *(word.format(port=self.port) for word in SERVERS[name])]
        self.began = time.monotonic()
        self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=self.log, stderr=self.log)

    def status(self, path: str = "/readyz") -> int:
        """Return what a GET is answered with; 0: not at all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def wait(self, limit_s: float = 90) -> float:
        """Return the seconds until it answers."""
        began = time.monotonic()
        while self.status() != 200 and time.monotonic() - began < limit_s:
            time.sleep(0.02)
        return time.monotonic() - began

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve."""
        with suppress(psutil.Error):
            children = psutil.Process(self.process.pid).children()
            return [one for one in children if one.is_running() and "resource_tracker" not in " ".join(one.cmdline())]
        return []

    def settle(self) -> None:
        """Wait until the same processes have served for SETTLE_S, at most a minute."""
        since, last, limit = time.monotonic(), set[int](), time.monotonic() + 60
        while time.monotonic() - since < SETTLE_S and time.monotonic() < limit:
            now = {one.pid for one in self.workers()}
            if now != last:
                since, last = time.monotonic(), now
            time.sleep(0.1)

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def say(self, *parts: bytes) -> str:
        """Send, and return the statuses of the answers until the server closes or says no more."""
        answer = b""
        with self.connect() as one, suppress(OSError):
            with suppress(OSError):
                for part in parts:
                    one.sendall(part)
                    time.sleep(0.05)
            one.settimeout(3)
            while chunk := one.recv(65536):
                answer += chunk
        return "+".join(part[:3].decode() for part in answer.split(b"HTTP/1.1 ")[1:]) or "reset"


def memory(trial: Trial) -> str:
    """Resident memory of what does not serve."""
    workers = {one.pid for one in trial.workers()}
    family = [psutil.Process(trial.process.pid), *psutil.Process(trial.process.pid).children()]
    return f"{sum(one.memory_info().rss for one in family if one.pid not in workers) / 2**20:.0f} MiB"


def slow_head(trial: Trial) -> str:
    """A head that does not end: seconds until it is closed."""
    with trial.connect() as one:
        one.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        began = time.monotonic()
        with suppress(OSError):
            answer = one.recv(100)
            return f"{answer[9:12].decode() or 'closed'} after {time.monotonic() - began:.0f} s"
    return "open after 20 s"


def killed(trial: Trial) -> str:
    """SIGKILL of a worker: seconds until there are two again."""
    trial.workers()[0].kill()
    began = time.monotonic()
    time.sleep(0.1)
    while len(trial.workers()) < 2 and time.monotonic() - began < 15:
        time.sleep(0.05)
    return f"{len(trial.workers())} after {time.monotonic() - began:.1f} s"


def thrice(trial: Trial) -> str:
    """Three SIGHUP within 0.2 s: workers a while later, and requests that failed meanwhile."""
    over, failed, asked = threading.Event(), [0], [0]

    def ask() -> None:
        while not over.wait(0.01):
            asked[0] += 1
            failed[0] += trial.status("/v2") != 200

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(3):
        trial.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
    trial.settle()
    over.set()
    asking.join()
    return f"{len(trial.workers())} workers, {failed[0]} of {asked[0]} lost"


def broken(trial: Trial) -> str:
    """SIGHUP with a model that is none: whether it still answers."""
    graph = trial.model / "model.onnx"
    good = graph.read_bytes()
    graph.write_bytes(b"none")
    if trial.process.poll() is None:
        trial.process.send_signal(signal.SIGHUP)
    trial.settle()
    said = "answers" if trial.status() == 200 else "does not answer"
    graph.write_bytes(good)
    ended = trial.process.poll()
    return said if ended is None else f"ended with {ended}"


def stop(trial: Trial) -> str:
    """SIGTERM: of idle keep-alive connections that ask 1.5 s later, how many are answered; status and seconds."""
    idle = []
    for _ in range(KEEP_ALIVE):
        idle.append(http.client.HTTPConnection("127.0.0.1", trial.port, timeout=20))
        idle[-1].request("GET", "/v2")
        idle[-1].getresponse().read()
        idle[-1].auto_open = 0
    trial.process.terminate()
    began = time.monotonic()
    time.sleep(HEARD_S)
    answered = 0
    for one in idle:
        with suppress(OSError, http.client.HTTPException), closing(one):
            one.request("GET", "/v2")
            answered += one.getresponse().status == http.HTTPStatus.OK
    with suppress(subprocess.TimeoutExpired):
        trial.process.wait(30)
    return f"{answered} of {KEEP_ALIVE} answered, status {trial.process.poll()} after {time.monotonic() - began:.1f} s"


def backlog(trial: Trial) -> str:
    """SIGTERM while connections wait in the queue of workers that are stopped: how many are answered."""
    workers = trial.workers()
    for one in workers:
        one.suspend()
    waiting = [trial.connect() for _ in range(KEEP_ALIVE)]
    for one in waiting:
        one.sendall(GET)
    trial.process.terminate()
    time.sleep(HEARD_S)
    for worker in workers:
        with suppress(psutil.Error):
            worker.resume()
    answered = 0
    for one in waiting:
        with suppress(OSError), one:
            answered += one.recv(100).startswith(b"HTTP/1.1 200")
    return f"{answered} of {KEEP_ALIVE} answered"


TRIALS = {
    "memory of the parent": memory,
    "1 MiB of header": lambda trial: trial.say(b"GET / HTTP/1.1\r\nX: ", b"a" * 2**20),
    "a head that does not end": slow_head,
    "24 MiB where 16 are the limit": lambda trial: trial.say(
        POST + b"Content-Length: 25165824\r\n\r\n", bytes(25165824)
    ),
    "Connection: Upgrade, body GET /v2": lambda trial: trial.say(
        POST + b"Connection: Upgrade\r\nUpgrade: a\r\nContent-Length: %d\r\n\r\n" % len(GET), GET
    ),
    "a killed worker": killed,
    "three SIGHUP": thrice,
    "SIGHUP with a broken model": broken,
    "SIGTERM, idle connections": stop,
    "SIGTERM, connections in the queue": backlog,
}


def main() -> int:
    """Put the named servers, or all, through the trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*SERVERS, []], help="which servers")
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS), metavar="TRIAL", help="which")
    options = parser.parse_args()
    names = options.names or list(SERVERS)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(load_artifact(SHIPPED_MODEL).folder, Path(folder, "1"))
            trial = Trial(name, Path(folder))
            try:
                print(f"{name}: ready after {trial.wait():.1f} s", flush=True)
                for title in options.trials:
                    judge = TRIALS[title]
                    if trial.process.poll() is not None and judge is backlog:
                        trial.log.close()
                        trial = Trial(name, Path(folder))
                        trial.wait()
                    result = "not tried: it has ended" if trial.process.poll() is not None else judge(trial)
                    print(f"    {title}: {result}", flush=True)
            finally:
                for one in trial.workers():
                    with suppress(psutil.Error):
                        one.kill()
                trial.process.kill()
                trial.process.wait()
                trial.log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
