"""The real server against clients that no HTTP library would be: slow, endless, cut off, or plainly hostile."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from serving import Server

HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"


def send(connection: socket.socket, *parts: bytes) -> None:
    """Send bytes as they are, one part after the other."""
    for part in parts:
        connection.sendall(part)


def talk(server: Server, *parts: bytes) -> bytes:
    """Send bytes as they are and return all that comes until the server closes."""
    received = b""
    with server.connect() as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # closed already; what it said is still to be read
            send(connection, *parts)
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_a_declared_oversize_is_refused_while_it_arrives_and_the_sender_reads_it(server: Server) -> None:
    """A client that sends 24 MiB before it looks finds the 413, and not a reset."""
    size = 24 * 2**20
    answer = talk(server, HEAD + b"Content-Length: %d\r\n\r\n" % size, *[bytes(2**20)] * 24)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "payload_too_large"


def test_an_endless_chunked_body_is_cut_off(server: Server) -> None:
    """Without a declared length the limit counts what comes; the server reads a bounded amount more and closes."""
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
    received = sent = 0
    with server.connect() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < 300:
                connection.sendall(chunk)
                sent += 1
        except (BrokenPipeError, ConnectionResetError):
            received = sent
    assert 16 <= received < 300


def test_a_body_for_a_path_that_is_none_is_cut_off_too(server: Server) -> None:
    """No route needs to read a body for it to be bounded."""
    chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
    with server.connect() as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        send(connection, b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 300)


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_malformed_http_is_refused_and_closed(server: Server, request_bytes: bytes) -> None:
    """Framing that could mean two things is answered with 400, as an error of ours, and never acted on."""
    answer = talk(server, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"


def test_a_head_without_end_is_cut_off(server: Server) -> None:
    """Without the guard a header of any length would be kept; who sends on for long still finds the refusal."""
    answer = talk(server, b"GET / HTTP/1.1\r\nX-Endless: ", *[b"a" * 2**20] * 8)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_trailers_without_end_are_cut_off(server: Server) -> None:
    """What follows the last chunk counts as a head again; the request is refused in the middle of them."""
    trailers = [b"X-T: " + b"a" * 60_000 + b"\r\n"] * 200
    answer = talk(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", *trailers)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_refusal_does_not_wait_for_the_body(server: Server) -> None:
    """A client that asks first (Expect: 100-continue) is told 413 and never to continue."""
    answer = talk(server, HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Three at once on one connection, the last one closing it."""
    one = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    last = b"GET /v2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = talk(server, one + one + last)
    assert answer.count(b"HTTP/1.1 200 ") == 3
    assert answer.endswith(b"}")


def test_nothing_a_client_sends_opens_a_url_or_a_file(server: Server) -> None:
    """URLs, file paths and pickles in place of pictures are refused as what they are: no picture, or no such type."""
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0)
        url = f"http://127.0.0.1:{bait.getsockname()[1]}/a.png"
        asked = [
            httpx.post(f"{server.url}/predict", content=url, headers={"content-type": "image/png"}),
            httpx.post(f"{server.url}/predict", files={"image": ("a.png", url)}),
            httpx.post(f"{server.url}/predict", data={"image": url}),
            httpx.post(f"{server.url}/predict", content=b"/etc/passwd", headers={"content-type": "image/png"}),
            httpx.post(
                f"{server.url}/predict",
                content=f"<svg><image href='{url}'/></svg>",
                headers={"content-type": "image/svg+xml"},
            ),
            httpx.post(f"{server.url}/classify", data={"images": url}),
            httpx.post(f"{server.url}/classify", files={"images": (None, url)}),
            httpx.post(f"{server.url}/classify", json={"images": url}),
            httpx.post(f"{server.url}/classify", content=url),
        ]
        assert {answer.status_code for answer in asked} <= {400, 415, 422}
        with pytest.raises(BlockingIOError):
            bait.accept()


def test_metric_labels_do_not_grow_with_what_clients_ask(server: Server) -> None:
    """A thousand different paths and methods add no series."""
    count = lambda: len(httpx.get(f"{server.url}/metrics").text.splitlines())  # noqa: E731
    httpx.get(f"{server.url}/warm-up")
    with httpx.Client(base_url=server.url) as client:
        client.request("BREW", "/predict")
        before = count()
        for number in range(200):
            client.get(f"/nowhere/{number}")
            client.request(f"X{number}", "/predict")
    assert count() <= before + 30  # a first 405 may fill one histogram


def test_keys_guard_what_bentoml_answers(locked: Server) -> None:
    """The routes behind the gateway want the key as well; health does not, and /metrics as it is set."""
    body = {"images": [[[0] * 28] * 28]}
    assert httpx.post(f"{locked.url}/classify", json=body).status_code == 401
    assert httpx.post(f"{locked.url}/classify", json=body, headers={"authorization": "Bearer k2"}).status_code == 200
    for path, status in {"/schema.json": 401, "/v2": 401, "/metrics": 200, "/readyz": 200, "/": 200}.items():
        assert httpx.get(locked.url + path).status_code == status, path
    assert "k2" not in locked.log_text()


def test_a_request_with_too_many_pictures_is_refused(server: Server) -> None:
    """A tensor of very many tiny elements cannot keep the event loop busy for seconds."""
    entry = {"name": "pictures", "datatype": "BYTES", "shape": [1025], "data": ["AAAA"] * 1025}
    answer = httpx.post(f"{server.url}/v2/models/digits/infer", json={"inputs": [entry]})
    assert answer.status_code == 400
    assert "at most 1024" in answer.json()["error"]
