"""TLS by `--ssl-certfile` and `--ssl-keyfile`, with a certificate of the test's own."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import OURS, ROOT, START_LIMIT_S, Server, start_server, wait_for

from service.server.tls import CertificateError, server_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving import StartServer


def make_certificate(folder: Path, name: str = "one", password: bytes | None = None) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 that signs itself, and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    cipher = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))
    return paths


def start(start_one: StartServer, *given: object, files: tuple[Path, Path], **more: object) -> Server:
    """Start a server with TLS and wait until its health check finds it ready."""
    server = start_one(*given, OURS, wait=False, ssl_certfile=files[0], ssl_keyfile=files[1], **more)
    environment = {"PORT": str(server.port), "DIGITS_SSL_CERTFILE": str(files[0])}
    check = [sys.executable, "-I", "-S", ROOT / "deploy" / "ready.py"]
    wait_for(
        lambda: server.process.poll() is not None or subprocess.run(check, env=environment, check=False).returncode == 0
    )
    assert server.process.poll() is None, server.log_text()
    return server


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Two workers behind one certificate; they end with 0."""
    folder = tmp_path_factory.mktemp("tls")
    files = make_certificate(folder)
    server = start(start_server, folder, files=files, workers=2, lame_duck_s=0)
    yield server, files[0]
    assert server.stop() == 0, server.log_text()


def url(server: Server) -> str:
    """The address for clients that check the certificate."""
    return f"https://127.0.0.1:{server.port}"


def served_name(port: int) -> str:
    """Return the common name of the certificate that a new connection is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=30)
    found = x509.load_pem_x509_certificate(pem.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)


def test_clients_that_check_the_certificate_are_answered(secure: tuple[Server, Path]) -> None:
    """By httpx and curl; the log has the address to open."""
    server, certificate = secure
    with httpx.Client(verify=ssl.create_default_context(cafile=certificate)) as client:
        for _ in range(8):  # some for each worker
            assert client.get(f"{url(server)}/v1/models").json() == {"models": ["digits"]}
    command = ["curl", "-sS", "--http2", "--cacert", certificate, f"{url(server)}/v1/models"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b'{"models":["digits"]}'
    assert f"listening on {url(server)}" in server.log_text()


def test_plain_http_is_turned_away_at_once(secure: tuple[Server, Path]) -> None:
    """The connection is closed, without an answer that could be read as one, and the service goes on."""
    server, _ = secure
    with server.connect() as plain:
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not received(plain).startswith(b"HTTP/")
    assert served_name(server.port) == "one"
    assert "Traceback" not in server.log_text()


def received(connection: socket.socket) -> bytes:
    """Read until the other end closes; fail if it does not."""
    data = b""
    try:
        while more := connection.recv(4096):
            data += more
    except ConnectionError:
        pass
    return data


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=600), st.booleans())
def test_garbage_for_a_handshake_harms_nobody(secure: tuple[Server, Path], garbage: bytes, in_record: bool) -> None:
    """Any bytes, alone or in a TLS record of a handshake; then a client that speaks TLS is answered."""
    server, _ = secure
    record = b"\x16\x03\x01" + len(garbage).to_bytes(2) + garbage if in_record else garbage
    with server.connect() as one:
        one.sendall(record)
        one.shutdown(socket.SHUT_WR)
        received(one)
    assert served_name(server.port) == "one"
    assert server.process.poll() is None
    assert "Traceback" not in server.log_text()


def test_a_new_certificate_is_taken_on_sighup(launch: StartServer, tmp_path: Path) -> None:
    """Workers are replaced, none fails; with files that cannot be used the old ones stay."""
    files = make_certificate(tmp_path, "old")
    server = start(launch, files=files, workers=2, lame_duck_s=0)
    assert served_name(server.port) == "old"
    for one, other in zip(make_certificate(tmp_path, "new"), files, strict=True):
        os.replace(one, other)  # noqa: PTH105
    first = set(server.workers())
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(server.workers()) == len(first) == 2 and first.isdisjoint(server.workers()))
    assert {served_name(server.port) for _ in range(8)} == {"new"}
    files[0].write_text("no certificate")
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: server.log_text().count("the old one stays") == 2)
    assert f"error: the certificate {files[0]} with the key {files[1]} cannot be used" in server.log_text()
    assert {served_name(server.port) for _ in range(8)} == {"new"}


def test_no_request_is_lost_when_it_ends(launch: StartServer, tmp_path: Path) -> None:
    """What was asked on an open connection before SIGTERM, and in the lame duck, is answered."""
    files = make_certificate(tmp_path)
    server = start(launch, files=files, lame_duck_s=1)
    with httpx.Client(verify=ssl.create_default_context(cafile=files[0])) as client:
        assert client.get(f"{url(server)}/livez").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in server.log_text())
        answer = client.get(f"{url(server)}/livez")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert server.process.wait(START_LIMIT_S) == 0


@pytest.mark.parametrize("fault", ["missing", "no certificate", "key of another", "password"])
def test_what_cannot_be_used_stops_the_start(tmp_path: Path, fault: str) -> None:
    """In one line, at once, and without asking the terminal for a password."""
    certificate, key = make_certificate(tmp_path, "one", b"secret" if fault == "password" else None)
    if fault == "missing":
        certificate.unlink()
    elif fault == "no certificate":
        certificate.write_text("hello")
    elif fault == "key of another":
        key = make_certificate(tmp_path, "two")[1]
    with pytest.raises(CertificateError, match=f"the certificate {certificate} with the key {key} cannot be used"):
        server_context(certificate, key)
    command = [*OURS[:3], "--port", "0", "--ssl-certfile", certificate, "--ssl-keyfile", key]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_LIMIT_S, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: the certificate ")


def test_a_key_without_a_certificate_is_refused() -> None:
    """It would serve in the open what was to be behind TLS."""
    command = [*OURS[:3], "--port", "0", "--ssl-keyfile", "x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_LIMIT_S, check=False)
    assert done.returncode == 2
    assert "add --ssl-certfile" in done.stderr
