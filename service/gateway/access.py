"""Access: API keys, CORS, and request ids."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

from service.errors import Unauthorised
from service.gateway.messages import Header, Reply

MAX_REQUEST_ID: Final = 128
ID_BYTES: Final = 12
IDS_AT_ONCE: Final = 128
PREFLIGHT_S: Final = 600  # how long a browser may keep what a preflight said
_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e]{1,%d}" % MAX_REQUEST_ID)
_ALLOWED_HEADERS: Final = (
    b"authorization, content-encoding, content-type, inference-header-content-length, traceparent, tracestate, "
    b"x-request-id"
)
_EXPOSED_HEADERS: Final = b"inference-header-content-length, retry-after, x-request-id"


class Keys:
    """The API keys; if there are none, no key is needed.

    Only digests are kept. Every key is compared, each in constant time, so that neither the content nor the length nor
    the place of a key can be measured from outside.
    """

    def __init__(self, keys: Iterable[str], variable: str = "DIGITS_API_KEY") -> None:
        self._variable = variable
        self._digests = tuple(hashlib.sha256(key.encode()).digest() for key in keys)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def check(self, headers: dict[bytes, bytes]) -> None:
        """Pass a request with `Authorization: Bearer <key>`.

        Raises:
            Unauthorised: there is no such header, or its key is not one of ours; the message never repeats it.
        """
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            raise Unauthorised(
                "this route needs an API key: send the header 'Authorization: Bearer <key>' "
                f"with one of the keys that {self._variable} names"
            )
        digest = hashlib.sha256(token.strip()).digest()
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Unauthorised(f"the API key is not known; send one of the keys that {self._variable} names")


class Origins:
    """Other web origins whose pages may call the service from a browser (CORS); none unless set."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)

    def __bool__(self) -> bool:
        return bool(self._origins)

    def headers(self, headers: dict[bytes, bytes]) -> tuple[Header, ...]:
        """Return the CORS headers of an answer: for a listed origin, or none."""
        vary: tuple[Header, ...] = ((b"vary", b"origin"),)
        origin = headers.get(b"origin", b"")
        if b"*" in self._origins:
            return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", _EXPOSED_HEADERS))
        if origin not in self._origins:
            return vary
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED_HEADERS),
            *vary,
        )

    def preflight(self, methods: Iterable[str]) -> Reply:
        """Answer a browser's preflight request."""
        return Reply(
            204,
            b"",
            headers=(
                (b"access-control-allow-methods", ", ".join(methods).encode()),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", b"%d" % PREFLIGHT_S),
            ),
        )


def _random_ids() -> Iterator[bytes]:
    """Yield ids that nobody can guess; one system call for many of them."""
    while True:
        text = os.urandom(ID_BYTES * IDS_AT_ONCE).hex().encode()
        for start in range(0, len(text), 2 * ID_BYTES):
            yield text[start : start + 2 * ID_BYTES]


_fresh_ids: Final = _random_ids()  # of one event loop; no process of the service forks


def request_id_of(headers: dict[bytes, bytes]) -> bytes:
    """Return the caller's X-Request-ID if it is harmless, else a random one.

    An id stands for an answer, which may be corrected by whoever knows it. It is 1 to 128 printable ASCII bytes without
    a space.
    """
    given = headers.get(b"x-request-id")
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return next(_fresh_ids)
