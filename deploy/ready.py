"""Exit with 0 if the service on this machine is ready: the image's health check, in which there is no curl.

It reads the variables that the service reads: PORT, DIGITS_UDS and DIGITS_SSL_CERTFILE.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys


class Connection(http.client.HTTPConnection):
    """A connection to the socket file, if there is one, else to the port; over TLS where the service speaks it."""

    def connect(self) -> None:
        """Open it; whoever answers on this machine is believed, whatever its certificate says."""
        if path := os.environ.get("DIGITS_UDS"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(path)
        else:
            super().connect()
        if os.environ.get("DIGITS_SSL_CERTFILE"):
            import ssl  # noqa: PLC0415 - plain HTTP is asked every ten seconds without it

            self.sock = ssl._create_unverified_context().wrap_socket(self.sock)  # noqa: S323, SLF001


def main() -> int:
    """Ask /readyz once, on the loopback address of each family; return the exit status."""
    port = int(os.environ.get("PORT") or 3000)
    for host in ("127.0.0.1", "::1"):
        connection = Connection(host, port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return int(connection.getresponse().status != http.HTTPStatus.OK)
        except OSError:
            continue
        finally:
            connection.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
