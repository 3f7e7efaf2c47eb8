"""Serve on another interpreter, by `make serve` and from the installed wheel, and read a 7. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL_LIMIT_S = 900
STOP_LIMIT_S = 30


def seven() -> bytes:
    """Draw a 7 as PNG: dark on light, 56 x 56 pixels."""
    rows = [bytearray(b"\xff" * 56) for _ in range(56)]
    for y in range(10, 46):
        left, right = (14, 42) if y < 15 else (38 - (y - 10) // 2, 43 - (y - 10) // 2)
        rows[y][left:right] = bytes(right - left)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 56, 56, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Return status and body; 0 while nothing listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def answers_a_seven(command: tuple[str, ...], folder: Path, port: int) -> bool:
    """Start the service in a folder, send it the picture, and stop it; returns whether it answered 7."""
    server = subprocess.Popen(command, cwd=folder, start_new_session=True)  # noqa: S603 - of the caller
    try:
        limit = time.monotonic() + INSTALL_LIMIT_S
        while ask(port, "GET", "/readyz")[0] != http.HTTPStatus.OK:
            if server.poll() is not None or time.monotonic() > limit:
                sys.stderr.write(f"error: {' '.join(command)} is not ready (exit status {server.poll()})\n")
                return False
            time.sleep(0.2)
        status, answer = ask(port, "POST", "/predict", seven())
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(STOP_LIMIT_S)
    sys.stdout.write(f"{' '.join(command)}: {status} {answer.decode()}\n")
    return status == http.HTTPStatus.OK and json.loads(answer)["digit"] == 7


def install_wheel(python: str, folder: Path) -> str:
    """Build the wheel and install it into a new environment below a folder; returns the environment's interpreter."""
    installed = str(folder / "venv" / "bin" / "python")
    subprocess.run((python, "-m", "venv", folder / "venv"), check=True)  # noqa: S603 - of the caller
    pip = (installed, "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run((*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT), check=True)  # noqa: S603
    wheel = next(folder.glob("*.whl"))
    subprocess.run((*pip, "install", f"{wheel}[cpu]"), check=True)  # noqa: S603
    return installed


def main(python: str) -> int:
    """Serve from the clone, then from the wheel in an empty folder; returns 0 if both answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    make = ("make", "serve", f"PYTHON={python}", "SERVE=.venv-further", f"PORT={port}")
    if not answers_a_seven(make, ROOT, port):
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty").mkdir()
        command = (install_wheel(python, folder), "-m", "service", "--port", str(port))
        return int(not answers_a_seven(command, folder / "empty", port))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
