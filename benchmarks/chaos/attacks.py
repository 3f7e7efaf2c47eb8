"""Hostile requests, as many as wanted, the same for the same seed: what a stranger on the internet may send."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

from benchmarks.chaos.attacks_v2 import (
    header_length,
    lying_tensor,
    odd_extension,
    odd_instances,
    odd_json,
    odd_tensor,
)
from benchmarks.chaos.wire import INFER, Attack, post
from benchmarks.recipes import PHOTO_SIDE, Recipe, as_file
from benchmarks.worst import FOUND
from service import contract

TYPES = (
    "image/png",
    "image/jpeg",
    "application/octet-stream",
    "text/html",
    "",
    "image/svg+xml",
    "a" * 300,
    "multipart/form-data",
)
PACKED = zlib.compress(bytes(2**20), 9)  # 1 KB
FORMATS = tuple(each.name for each in contract.FORMATS)


def attacks(count: int, seed: int) -> Iterator[Attack]:
    """Draw hostile requests of every kind in turn."""
    choose = random.Random(seed)
    files = {kind: _picture(kind, choose) for kind in FORMATS}
    kinds = (
        _mutated,
        _bomb,
        _parts,
        _slowest,
        _typed,
        _form,
        odd_tensor,
        odd_instances,
        odd_extension,
        lying_tensor,
        header_length,
        odd_json,
        _path,
        _pickle,
        _url,
        _framing,
    )
    for number in range(count):
        yield kinds[number % len(kinds)](choose, files)


def _mutated(choose: random.Random, files: dict[str, bytes]) -> Attack:
    kind = choose.choice(FORMATS)
    data = bytearray(files[kind])
    how = choose.randrange(4)
    if how == 0:
        data = data[: choose.randrange(len(data))]
    else:
        for _ in range(choose.choice([1, 3, 30])):
            data[choose.randrange(min(len(data), 200 if how == 1 else len(data)))] = choose.randrange(256)
    if how == 3:
        data += choose.randbytes(100)
    return Attack(f"mutated {kind}", post("/predict", bytes(data), f"image/{kind.lower()}"))


def _bomb(choose: random.Random, _: dict[str, bytes]) -> Attack:
    side = choose.choice([60_000, 2**31 - 1, 7100])
    kind = choose.randrange(4)
    if kind == 0:
        data = png(side, side, zlib.compress(bytes(10_000)))
    elif kind == 1:
        data = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    elif kind == 2:
        data = (
            b"GIF89a"
            + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0)
            + b","
            + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0)
        )
    else:
        tags = [
            (256, 4, 1, side),
            (257, 4, 1, side),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (279, 4, 1, 9),
        ]
        data = (
            b"II*\0"
            + struct.pack("<IH", 8, len(tags))
            + b"".join(struct.pack("<HHII", *tag) for tag in tags)
            + bytes(4)
        )
    return Attack(f"bomb {kind} of {side}", post(choose.choice(["/predict", "/explain"]), data, "image/png"))


def _parts(choose: random.Random, files: dict[str, bytes]) -> Attack:
    """Draw a file of many parts beside its pixels: empty ones, or texts that are unpacked to 1 MiB each."""
    kind, at, part = choose.choice(
        [
            ("PNG", 33, png_chunk(b"zTXt", b"a\0\0" + PACKED)),
            ("PNG", 33, png_chunk(b"iCCP", b"a\0\0" + PACKED)),
            ("PNG", 33, png_chunk(b"abCd", b"")),
            ("JPEG", 2, b"\xff\xfe\x00\x02"),
        ]
    )
    data = files[kind]
    body = data[:at] + part * choose.choice([3, 300, 100_000 // len(part)]) + data[at:]
    return Attack(f"parts of {kind}", post("/predict", body, f"image/{kind.lower()}"))


def _slowest(choose: random.Random, _: dict[str, bytes]) -> Attack:
    """Send one of the pictures that take the longest to prepare."""
    recipe = choose.choice(FOUND)
    kind = "image/jpeg" if recipe.side == PHOTO_SIDE else "image/png"
    return Attack(f"slowest of {recipe.side}", post("/predict", _drawn(recipe), kind))


@cache
def _drawn(recipe: Recipe) -> bytes:
    return as_file(recipe)


def _typed(choose: random.Random, files: dict[str, bytes]) -> Attack:
    path = choose.choice(["/predict", "/predict_batch", INFER, "/classify", "/explain"])
    kind = choose.choice(TYPES)
    return Attack(f"{path} as {kind[:20]!r}", post(path, files[choose.choice(FORMATS)], kind))


def _form(choose: random.Random, files: dict[str, bytes]) -> Attack:
    head = '--b\r\nContent-Disposition: form-data; name="images"; filename="../../etc/passwd"\r\n\r\n'
    bodies = (
        head.encode() + files["PNG"],
        (head + "x\r\n--b--\r\n").encode() * 3000,
        b"--b--\r\n",
        b"--b\r\n\r\n\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X: y\r\n" * 10_000 + b"\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="' + b"n" * 100_000 + b'"\r\n\r\nx\r\n--b--\r\n',
        choose.randbytes(2000),
    )
    kind = choose.choice(["multipart/form-data; boundary=b", "multipart/form-data", 'multipart/form-data; boundary=""'])
    return Attack("broken form", post(choose.choice(["/predict", "/predict_batch"]), choose.choice(bodies), kind))


def _path(choose: random.Random, _: dict[str, bytes]) -> Attack:
    path = choose.choice(
        [
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "//predict",
            "/predict/",
            "/v2/models/other/infer",
            "/v2/models/digits/versions/9",
            "/v2/models/digits/versions/../infer",
            "/%00",
            "/%ff%fe",
            "/static_content/../app.py",
            "/" + "a" * 5000,
            "/?" + "q" * 5000,
            "/index.html%0aX: y",
            "http://127.0.0.1:1/",
            "*",
            "/app.js/../../app.py",
        ]
    )
    method = choose.choice(["GET", "POST", "HEAD", "OPTIONS", "DELETE", "TRACE", "CONNECT", "PATCH"])
    return Attack(
        f"{method} {path[:30]}", f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode("latin-1")
    )


def _pickle(choose: random.Random, _: dict[str, bytes]) -> Attack:
    body = pickle.dumps({"images": np.zeros((1, 28, 28), np.uint8)})
    kind = choose.choice(
        [
            "application/vnd.bentoml+pickle",
            "Application/vnd.BentoML+Pickle; x=y",
            "application/x-pickle",
            "application/json",
        ]
    )
    return Attack("pickle", post(choose.choice(["/classify", INFER, "/predict"]), body, kind, "Buffer-Lengths: 10,20"))


def _url(choose: random.Random, _: dict[str, bytes]) -> Attack:
    url = choose.choice(
        [
            "http://127.0.0.1:9/a.png",
            "file:///etc/passwd",
            "/etc/passwd",
            "ftp://127.0.0.1/",
            "http://169.254.169.254/latest",
        ]
    )
    path = choose.choice(["/predict", "/classify", "/predict_batch", "/explain"])
    field = "image" if path == "/predict" else "images"
    form = f'--b\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{url}\r\n--b--\r\n'
    body, kind = choose.choice(
        [
            (url, "image/png"),
            (form, "multipart/form-data; boundary=b"),
            (f"{field}={url}", "application/x-www-form-urlencoded"),
            (json.dumps({field: url}), "application/json"),
        ]
    )
    return Attack("URL as picture", post(path, body.encode(), kind))


def _framing(choose: random.Random, files: dict[str, bytes]) -> Attack:
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\n"
    wires = (
        head + b"Content-Length: -5\r\n\r\n",
        head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n",
        head + b"Content-Length: 99999999999999999999999\r\n\r\n",
        head + b"Content-Length: 100\r\n\r\n" + files["PNG"][:50],  # and then it hangs up
        head + b"X" * 70_000,
        head + b"X: " + choose.randbytes(50) + b"\r\n\r\n",
        choose.randbytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: Y\r\n\r\n",
    )
    return Attack("framing", choose.choice(wires))


def png(width: int, height: int, data: bytes) -> bytes:
    """Write a grey PNG of any announced size around any data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", head), png_chunk(b"IDAT", data), png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Write one chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _picture(kind: str, choose: random.Random) -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (40, 40), choose.randbytes(1600)).convert("RGB").save(file, kind)
    return file.getvalue()
