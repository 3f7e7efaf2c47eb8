"""An offer to change the protocol (`Connection: Upgrade`) is ignored: the body is read, and is never a request."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw
from serving import free_port, wait_for
from talking import talk, until

if TYPE_CHECKING:
    from serving import Server

    from service.gateway.messages import Receive, Scope, Send

BODY = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"  # what an attacker would have read as a request
OFFERS = {
    "curl's h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\n",
    "by half": b"Connection: upgrade\r\n",
}
FRAMES = {
    "length": (b"Content-Length: %d\r\n" % len(BODY), BODY),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    "nothing": (b"", b""),
}
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


async def heard(pieces: list[bytes], requests: int) -> list[tuple[str, bytes]]:
    """Return path and body of each request that the application saw, when all are answered."""
    seen: list[tuple[str, bytes]] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        assert not any(name == b"upgrade" for name, _ in scope["headers"])
        seen.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        await send({"type": "http.response.body", "body": b"!"})

    async with talk(echo) as one:
        for piece in pieces:
            one.connection.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)
        for _ in range(requests):
            assert (await one.reader.readuntil(b"\r\n\r\n!")).startswith(b"HTTP/1.1 200 ")
        await until(lambda: not one.connection.tasks)
        assert not one.connection.transport.is_closing()
    return seen


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("offer", OFFERS)
def test_the_body_is_read_wherever_the_segments_end(offer: str, frame: str) -> None:
    """Whole, and cut into two segments at every place; the pipelined request behind it is answered as well."""
    header, body = FRAMES[frame]
    wire = b"POST /first HTTP/1.1\r\nHost: a\r\n" + OFFERS[offer] + header + b"\r\n" + body + NEXT
    expected = [("/first", BODY if body else b""), ("/next", b"")]

    async def scenario() -> None:
        for cut in range(len(wire)):
            assert await heard([wire[:cut], wire[cut:]] if cut else [wire], 2) == expected, cut
        assert await heard([wire[at : at + 1] for at in range(len(wire))], 2) == expected

    asyncio.run(scenario())


def test_many_offers_in_one_segment_are_as_many_requests() -> None:
    """However many are pipelined, each is read once."""
    wire = b"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n" * 2000
    assert len(asyncio.run(heard([wire], 2000))) == 2000


def test_a_tunnel_is_refused_and_nothing_in_it_is_read() -> None:
    """What follows the head of a CONNECT is no HTTP: it is refused, and the connection ends."""

    async def nothing(scope: Scope, _: Receive, __: Send) -> None:
        pytest.fail(f"{scope['path']} was read as a request")

    async def scenario() -> bytes:
        async with talk(nothing) as one:
            one.writer.write(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + BODY)
            answer = await one.reader.readuntil(b"}")
            one.writer.write(BODY)
            one.writer.write_eof()
            return answer + await one.reader.read()

    answer = asyncio.run(scenario())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a digit one."""
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).line([(100, 30), (100, 170)], fill=0, width=14)
    path = tmp_path_factory.mktemp("picture") / "one.png"
    image.save(path)
    return path


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start nginx with the lines that everybody copies for websockets; yields its address."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in NGINX_FOLDERS)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, temporary=temporary, server=server.port))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
    try:
        wait_for(lambda: curl(f"http://127.0.0.1:{port}/livez").endswith("200"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
NGINX = """daemon off; pid {folder}/pid; error_log stderr crit; events {{}}
http {{ access_log off; {temporary}
  upstream digits {{ server 127.0.0.1:{server}; keepalive 4; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://digits; proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
  }} }} }}
"""


def curl(*words: str) -> str:
    """Return what curl prints, and the status on a line of its own."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("form", [True, False], ids=["form", "raw"])
def test_curl_that_offers_http2_gets_its_answer(server: Server, picture: Path, *, form: bool) -> None:
    """`curl --http2` sends its picture with an offer, and takes an answer in HTTP/1.1."""
    body = ["-F", f"image=@{picture}"] if form else ["-H", "Content-Type: image/png", "--data-binary", f"@{picture}"]
    answer, _, status = curl("--http2", *body, f"{server.url}/predict").rpartition("\n")
    assert (status, json.loads(answer)["digit"]) == ("200", 1)


def test_java_with_its_defaults_gets_its_answer(server: Server, picture: Path) -> None:
    """Java's HttpClient offers HTTP/2 on every connection unless it is told otherwise."""
    if shutil.which("javac") is None:
        pytest.skip("no JDK is installed")
    source = Path(__file__).with_name("Upload.java")
    command = ["java", "-XX:TieredStopAtLevel=1", str(source), f"{server.url}/predict", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["200", "200"], done.stdout + done.stderr
    assert all(json.loads(line.partition(" ")[2])["digit"] == 1 for line in lines)


def test_pictures_pass_behind_nginx_with_the_lines_for_websockets(nginx: str, picture: Path) -> None:
    """With and without an offer of the client's own, which nginx hands on."""
    for more in ([], ["--http2"], ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"]):
        answer, _, status = curl(*more, "-F", f"image=@{picture}", f"{nginx}/predict").rpartition("\n")
        assert (status, json.loads(answer)["digit"]) == ("200", 1), more


def test_no_request_is_smuggled_past_nginx(nginx: str, tmp_path: Path) -> None:
    """A body that looks like a request is no request, and the next one on the connection gets its own answer."""
    body = tmp_path / "body"
    body.write_bytes(b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n")
    offer = ["-H", "Connection: Upgrade", "-H", "Upgrade: a", "-H", "Content-Type: image/png"]
    for _ in range(5):
        assert curl(*offer, "--data-binary", f"@{body}", f"{nginx}/predict").endswith("\n422")
        assert curl(f"{nginx}/livez") == "\n\n200"
