"""Requests as they go over the wire."""

from __future__ import annotations

from typing import NamedTuple

INFER = "/v2/models/digits/infer"


class Attack(NamedTuple):
    """One request as it goes over the wire, and a name that says what is wrong with it."""

    name: str
    wire: bytes


def post(path: str, body: bytes, kind: str, *more: str) -> bytes:
    """Write a POST request as it goes over the wire."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: a",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body
