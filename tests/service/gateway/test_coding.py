"""Compressed bodies are inflated within the limit while they arrive; large answers are compressed for who asks."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import PayloadTooLarge, RequestError, UnsupportedEncoding
from service.gateway.coding import MAX_MEMBERS, PAYS, PIECE, Inflater, compressed, inflater
from service.gateway.messages import BodyLimits, Message, Reply, Request, error_reply


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header, as some clients send it."""
    return zlib.compress(data, wbits=-15)


def files_in_a_row(data: bytes) -> bytes:
    """Three gzip files, as `cat a.gz b.gz c.gz` makes one of them."""
    return b"".join(gzip.compress(part) for part in (data[:5], b"", data[5:]))


WAYS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    (" GZip ", files_in_a_row),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
    ("", bytes),
]


def cut(data: bytes, size: int) -> list[bytes]:
    """As the network cuts it."""
    return [data[start : start + size] for start in range(0, len(data), size)] or [b""]


def request(chunks: list[bytes], coding: str, limits: BodyLimits) -> Request:
    """A request whose body arrives in these chunks, which are taken out of the list."""

    async def receive() -> Message:
        data = chunks.pop(0)
        return {"type": "http.request", "body": data, "more_body": bool(chunks)}

    headers = [(b"content-encoding", coding.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive, limits)


def body(chunks: list[bytes], coding: str, limit: int = 2**20) -> bytes:
    """Read it."""
    return asyncio.run(request(chunks, coding, BodyLimits(limit, limit)).body())


@pytest.mark.parametrize(("coding", "encode"), WAYS)
@given(data=st.binary(max_size=500), size=st.integers(1, 300))
def test_what_was_sent_is_what_is_read(coding: str, encode: Callable[[bytes], bytes], data: bytes, size: int) -> None:
    """In each coding, however the network cuts it."""
    assert body(cut(encode(data), size), coding) == data


@pytest.mark.parametrize(("coding", "encode"), WAYS)
def test_a_body_as_large_as_the_limit_is_taken_and_one_byte_more_is_not(
    coding: str, encode: Callable[[bytes], bytes]
) -> None:
    """The limit is on what comes out, and more than one piece of it."""
    limit = 3 * PIECE + 7
    assert body(cut(encode(bytes(limit)), 999), coding, limit) == bytes(limit)
    with pytest.raises(PayloadTooLarge, match=f"the limit is {limit} bytes"):
        body(cut(encode(bytes(limit + 1)), 999), coding, limit)


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, raw_deflate])
def test_a_bomb_ends_at_the_limit_and_holds_no_more(encode: Callable[[bytes], bytes]) -> None:
    """A gigabyte of zeros in a megabyte: it is never inflated further than a piece beyond the limit."""
    coding = "gzip" if encode is gzip.compress else "deflate"
    bomb = cut(encode(bytes(2**26)), 2**16)
    limits = BodyLimits(2**20, 2**22)
    asked = request(bomb, coding, limits)
    with pytest.raises(PayloadTooLarge):
        asyncio.run(asked.body())
    assert limits.held <= 2**20
    asked.release()
    assert limits.held == 0
    inflating = Inflater(coding.encode()).pieces(encode(bytes(2**26)))
    assert max(len(next(inflating)) for _ in range(10)) == PIECE


def test_a_stream_that_says_nothing_ends_at_the_limit_too() -> None:
    """Empty blocks inflate to nothing for ever, so what arrives is counted as well."""
    squeeze = zlib.compressobj()
    empty = b"".join(squeeze.flush(zlib.Z_FULL_FLUSH) for _ in range(3))
    head = squeeze.compress(b"a") + squeeze.flush(zlib.Z_FULL_FLUSH)
    with pytest.raises(PayloadTooLarge):
        body([head, *[b"\0\0\0\xff\xff" * 100] * 50], "deflate", 9999)
    assert len(empty) < 50


@pytest.mark.parametrize(
    ("data", "coding", "message"),
    [
        (b"not compressed", "gzip", "incorrect header check"),
        (b"\xff" * 20, "deflate", "invalid"),
        (b"x", "deflate", "cut off"),
        (gzip.compress(b"abc", mtime=0)[:-1], "gzip", "cut off"),
        (gzip.compress(b"abc", mtime=0)[:-8] + bytes(8), "gzip", "incorrect data check"),
        (gzip.compress(b"abc", mtime=0) + b"more", "gzip", "incorrect header check"),
        (zlib.compress(b"abc") + b"more", "deflate", "more follows"),
        (gzip.compress(b"") * (MAX_MEMBERS + 1), "gzip", "more than 1024 gzip members"),
    ],
)
def test_a_damaged_body_is_the_senders_error(data: bytes, coding: str, message: str) -> None:
    """400, in one chunk and in many."""
    for size in (1, 7, 2**20):
        with pytest.raises(RequestError, match=message) as refused:
            body(cut(data, size), coding)
        assert refused.value.status == 400


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "\xff", "gzip;q=1"])
def test_another_coding_is_refused_with_those_that_are_taken(coding: str) -> None:
    """415 with Accept-Encoding, before anything is read."""
    with pytest.raises(UnsupportedEncoding, match="expected gzip, deflate or none") as refused:
        inflater(coding.encode())
    reply = error_reply(refused.value)
    assert (reply.status, dict(reply.headers)[b"accept-encoding"]) == (415, b"gzip, deflate")


def test_others_get_their_turn_while_a_body_is_inflated() -> None:
    """A large one is inflated in pieces, between which the event loop goes on."""

    async def scenario() -> int:
        reading = asyncio.ensure_future(
            request([gzip.compress(bytes(20 * PIECE))], "gzip", BodyLimits(2**23, 2**23)).body()
        )
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(scenario()) >= 20


@pytest.fixture(params=["gzip", "br, gzip;q=0.5", "GZIP", "deflate,x-gzip ;q=0.001, *;q=0"])
def accepts(request: pytest.FixtureRequest) -> Iterator[bytes]:
    """An Accept-Encoding that takes gzip."""
    return request.param.encode()


def test_an_answer_is_compressed_for_who_asks(accepts: bytes) -> None:
    """The same content, and what it depends on."""
    reply = Reply(200, b"7" * PAYS, headers=((b"a", b"b"),))
    answer = asyncio.run(compressed(reply, accepts))
    assert gzip.decompress(answer.body) == reply.body
    assert dict(answer.headers) == {b"a": b"b", b"vary": b"accept-encoding", b"content-encoding": b"gzip"}


@pytest.mark.parametrize(
    "accepts", [b"", b"br", b"gzip;q=0", b"gzip; q=0.00, br", b"identity", b"not-gzip", b"gzipped"]
)
def test_an_answer_is_left_as_it_is_for_others(accepts: bytes) -> None:
    """A cache is told that it may differ."""
    reply = Reply(200, b"7" * PAYS)
    answer = asyncio.run(compressed(reply, accepts))
    assert answer.body is reply.body
    assert answer.headers == ((b"vary", b"accept-encoding"),)
