"""Exit with 0 if the service on this machine is ready: the image's health check, in which there is no curl."""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int:
    """Ask /readyz once; return the exit status."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT", "3000")), timeout=2)
    try:
        connection.request("GET", "/readyz")
        return int(connection.getresponse().status != http.HTTPStatus.OK)
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
