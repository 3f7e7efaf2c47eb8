"""Every way in which clients send pictures is understood; what could be read in two ways is refused."""

from __future__ import annotations

import asyncio
import base64
import codecs
import io
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from PIL import Image
from serving import Server

from service.api.picture_bodies import read_picture, read_pictures
from service.contract import FORMATS
from service.errors import RequestError, ServiceError, UndecodablePicture, UnsupportedType

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\xfb\xff\xfe"  # its base64 has both signs that are not letters
TEXT = base64.b64encode(PNG).decode()
URI = f"data:image/png;base64,{TEXT}"
FORM = "multipart/form-data; boundary=xyz"


def request(body: bytes, content_type: str = "") -> Any:
    """What the readers want of a request."""

    async def read() -> bytes:
        return body

    return SimpleNamespace(content_type=content_type, body=read)


def one(body: bytes | str, content_type: str = "") -> bytes:
    """Read the picture of one request."""
    return asyncio.run(read_picture(request(body.encode() if isinstance(body, str) else body, content_type)))


def many(body: bytes, content_type: str) -> list[bytes | ServiceError]:
    """Read the pictures of one request, at most three."""
    return asyncio.run(read_pictures(request(body, content_type), 3))


def form(*parts: tuple[str, bytes], text: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A form of files and of text."""
    body = b""
    for name, data in parts:
        body += b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="a"\r\n\r\n%b\r\n' % (
            name.encode(),
            data,
        )
    for name, value in text:
        body += f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    return body + b"--xyz--\r\n"


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("="),
        TEXT.replace("+", "-").replace("/", "_"),
        base64.encodebytes(PNG).decode(),
        base64.encodebytes(PNG).decode().replace("\n", "\r\n"),
        f" {TEXT}\n",
        URI,
        f"DATA:;BASE64,{TEXT}",
        f"data:image/png;name=a.png;base64,{quote(TEXT)}",
        "data:image/png," + quote(PNG),
    ],
)
def test_base64_in_every_spelling_is_the_same_file(text: str) -> None:
    """Padded or not, for URLs, wrapped, as a data URI: in JSON, in both kinds of form, and alone or in a list."""
    assert one(json.dumps({"image": text}), "application/json") == PNG
    assert one(json.dumps({"image": text}), "Application/JSON; charset=utf-8") == PNG
    assert one(urlencode({"note": "a", "image": text.strip()}), "application/x-www-form-urlencoded") == PNG
    assert many(json.dumps({"images": [text, TEXT]}).encode(), "application/json") == [PNG, PNG]
    if text.lower().startswith("data:") or text[0] != " ":
        assert one(text, "text/plain;charset=UTF-8") == PNG
        assert one(text, "application/octet-stream") == PNG
        assert one(form(text=(("image", text),)), FORM) == PNG
        assert one(form(text=(("photo", text), ("note", "a"))), FORM) == PNG


@pytest.mark.parametrize(
    "text", ["*", "http://a/b.png", "data:image/png;base64,*", "data:image/png", "\udce9", "é", "A"]
)
def test_text_that_is_no_picture_is_the_senders_error(text: str) -> None:
    """Alone it is refused; in a list it spoils only its own place."""
    body = json.dumps({"image": text, "images": [text, TEXT]}).encode()
    with pytest.raises(RequestError) as refused:
        one(body, "application/json")
    assert len(str(refused.value)) < 300
    if "\udce9" not in text:  # no JSON at all
        wrong, good = many(body, "application/json")
        assert (type(wrong), good) == (UndecodablePicture, PNG)


def test_the_one_file_of_a_form_is_the_picture_whatever_its_name() -> None:
    """`file` is what every tutorial says; `image` wins where there are several."""
    assert one(form(("file", PNG)), FORM) == PNG
    assert one(form(("file", PNG), text=(("note", "seven"),)), FORM) == PNG
    assert one(form(("thumbnail", b"small"), ("image", PNG)), FORM) == PNG
    assert one(form(("unchosen", b""), ("upload[]", PNG)), FORM) == PNG
    with pytest.raises(RequestError, match="exactly one file; send several pictures to /predict_batch"):
        one(form(("a", PNG), ("b", PNG)), FORM)
    with pytest.raises(RequestError, match="the field 'note'"):
        one(form(text=(("note", "seven"),)), FORM)


def test_a_batch_takes_all_files_of_a_form() -> None:
    """Those named `images` where there are any."""
    assert many(form(("files", b"1"), ("files", b"2"), text=(("note", "a"),)), FORM) == [b"1", b"2"]
    assert many(form(("images", b"1"), ("other", b"2"), text=(("images", URI),)), FORM) == [b"1", PNG]
    with pytest.raises(UnsupportedType, match="send one picture by itself to /predict"):
        many(PNG, "image/png")


@pytest.mark.parametrize("images", [[], ["a"] * 4, ["a", 7], [None], {"a": 1}, None, "a"])
def test_a_list_that_is_no_list_of_texts_is_refused(images: object) -> None:
    """Its length, the kind of its elements, and that it is a list."""
    with pytest.raises(RequestError):
        many(json.dumps({"images": images}).encode(), "application/json")
    with pytest.raises(
        RequestError, match=r"'image' is a JSON \w+, expected one string|the members \['image'\]|not base64"
    ):
        one(json.dumps({"image": images}), "application/json")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "binary/octet-stream", "", "text/plain", "a/b"])
@pytest.mark.parametrize("name", [each.name for each in FORMATS])
def test_a_file_is_known_by_its_first_bytes(kind: str, name: str) -> None:
    """Curl's and S3's types, none, and wrong ones do no harm: files as Pillow writes them are told from text."""
    file = io.BytesIO()
    Image.new("L", (30, 30)).save(file, name)
    assert one(file.getvalue(), kind) == file.getvalue()


@pytest.mark.parametrize("body", [b"note=seven", b"BMW=1&image", b"&" * 1_000_000, b"II", b"GIF is text", b"\0" * 99])
def test_what_is_no_picture_by_its_first_bytes_is_refused_with_what_would_work(body: bytes) -> None:
    """415, with the ways to send one, for curl too."""
    for kind in ("application/x-www-form-urlencoded", ""):
        with pytest.raises(RequestError, match=r"the file itself as image|empty") as refused:
            one(body, kind)
        assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "kind", ["", "application/x-www-form-urlencoded", "text/json", "text/plain", "application/vnd.api+json"]
)
def test_json_is_told_by_its_first_byte(kind: str) -> None:
    """`curl -d '{…}'` calls it a form, and scripts call it anything; Windows puts a byte order mark before it."""
    body = json.dumps({"image": TEXT, "images": [TEXT]}).encode()
    for start in (b"", b"\n ", codecs.BOM_UTF8):
        assert one(start + body, kind) == PNG
        assert many(start + body, kind) == [PNG]
    with pytest.raises(RequestError, match="the body is not JSON"):
        one(b"{image: 7}", kind)


@pytest.mark.parametrize("name", [each.name for each in FORMATS])
def test_every_format_is_known_in_base64(name: str) -> None:
    """Some gateways hand a body over as base64, and some clients write it in a form's text field."""
    file = io.BytesIO()
    Image.new("L", (30, 30)).save(file, name)
    text = base64.b64encode(file.getvalue()).decode()
    assert one(text, "application/octet-stream") == one(text, "text/plain") == file.getvalue()
    assert one(form(text=(("image", text),)), FORM) == file.getvalue()
    assert one(form(text=(("photo", text), ("note", "a"))), FORM) == file.getvalue()


def test_curl_needs_no_options(server: Server, tmp_path: Path) -> None:
    """`curl --data-binary @picture.png URL`, and a form with any field name: curl itself, as people type it."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    Image.new("L", (50, 50), 255).save(tmp_path / "a.png")
    text = base64.b64encode((tmp_path / "a.png").read_bytes()).decode()
    (tmp_path / "a.json").write_text(json.dumps({"image": text}))
    for options in (
        ["--data-binary", "@a.png"],
        ["--data-binary", "@a.png", "-H", "Content-Type:"],
        ["-F", "file=@a.png"],
        ["--form-string", f"image=data:image/png;base64,{text}"],
        ["-d", f"image=data:image/png;base64,{text}"],
        ["--data-urlencode", f"image={text}"],
        ["-d", "@a.json"],
        ["-H", "Content-Type: application/json", "-d", "@a.json"],
    ):
        done = subprocess.run(
            [curl, "-sS", "--max-time", "20", *options, f"{server.url}/predict"],
            cwd=tmp_path, capture_output=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout)["rejected"] == "blank", options


def test_a_slash_at_the_end_is_the_same_route(server: Server) -> None:
    """Every path of the description answers with it as without: same status, and no redirect."""
    with httpx.Client(base_url=server.url) as client:
        for path, methods in client.get("/docs.json").json()["paths"].items():
            for method in methods:
                with_slash = client.request(method, f"{path.rstrip('/')}/")
                assert with_slash.status_code == client.request(method, path).status_code, path
        assert client.get("/metrics/").text.startswith("# HELP")
        assert client.get("/livez//").status_code == 404
