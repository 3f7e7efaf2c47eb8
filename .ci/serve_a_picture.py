"""`make serve` on another interpreter, as the README says it, and a picture of a 7 answered. Standard library only."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib

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


def main(python: str) -> int:
    """Serve in an environment of its own; returns 0 if the picture was answered and the end was clean."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ("make", "serve", f"PYTHON={python}", "SERVE=.venv-further", f"PORT={port}")
    server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the caller names the interpreter
    try:
        limit = time.monotonic() + INSTALL_LIMIT_S
        while ask(port, "GET", "/readyz")[0] != http.HTTPStatus.OK:
            if server.poll() is not None or time.monotonic() > limit:
                sys.stderr.write(f"error: {' '.join(command)} is not ready (exit status {server.poll()})\n")
                return 1
            time.sleep(0.2)
        status, answer = ask(port, "POST", "/predict", seven())
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(STOP_LIMIT_S)
    sys.stdout.write(f"{status} {answer.decode()}\n")
    return int(status != http.HTTPStatus.OK or json.loads(answer)["digit"] != 7)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
