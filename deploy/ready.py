"""Exit with 0 if the service on this machine is ready: the image's health check, in which there is no curl."""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int:
    """Ask /readyz once on the loopback address of each family; return the exit status."""
    port = int(os.environ.get("PORT") or 3000)
    for host in ("127.0.0.1", "::1"):
        connection = http.client.HTTPConnection(host, port, timeout=1)
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
