"""TLS on the listening socket: the certificate, read anew by each worker at its start."""

from __future__ import annotations

import ssl
from pathlib import Path


class CertificateError(Exception):
    """Certificate or key cannot be used; the message is one line for the person who started the service."""


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Load a certificate (with its chain, in PEM) and its key, which may stand in the same file, for TLS 1.2 and 1.3.

    Raises:
        CertificateError: a file is missing, malformed or encrypted, or the two do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        # The password: without one OpenSSL would ask the terminal, and wait.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = f"{certificate} with the key {key}" if key else f"{certificate}"
        raise CertificateError(
            f"the certificate {files} cannot be used: {error}; expected both in PEM, the key without a password "
            "(--ssl-certfile, --ssl-keyfile)"
        ) from None
    return context
