"""The page at `/`: a few static files, read at start and served from memory."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from service.contract import MAX_PICTURES, OCTETS, SUFFIXES, Rejection
from service.errors import ConfigurationError
from service.gateway.messages import Reply, Request
from service.gateway.route import Route

WEB_FOLDER: Final = Path(__file__).parents[1] / "web"
INDEX: Final = "index.html"
CONTRACT: Final = "contract.js"

# Named here because the system's own table differs from machine to machine.
CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Nothing but this origin's own files may run or load; blob: and data: are the pictures that the page itself makes.
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Asset:
    """One file of the page: its bytes, and the headers that go with a 200 and with a 304."""

    body: bytes
    content_type: str
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        """Every header but content-length, names in lower case; browsers ask again each time and get a 304."""
        return {"content-type": self.content_type, "etag": self.etag, "cache-control": "no-cache", **SECURITY_HEADERS}

    def is_fresh(self, if_none_match: str | None) -> bool:
        """Tell whether a request's If-None-Match header names this content, so that the answer is 304."""
        if if_none_match is None:
            return False
        return if_none_match.strip() == "*" or self.etag in [
            tag.strip().removeprefix("W/") for tag in if_none_match.split(",")
        ]


@dataclass(frozen=True)
class Page:
    """All files of the page by URL path; a path that is no key does not exist, so no request can reach a file."""

    assets: Mapping[str, Asset]

    @classmethod
    def load(cls, folder: Path = WEB_FOLDER, *, takes_feedback: bool = False, max_body_bytes: int = 2**24) -> Page:
        """Read every file of a folder (not below it); `index.html` becomes `/`, the others `/<name>`.

        `/contract.js` is no file: it gives the scripts what service/contract.py says, whether answers may be corrected,
        and how large a request may be.

        Raises:
            ConfigurationError: the folder cannot be read, or has no index.html.
        """
        try:
            files = sorted(path for path in folder.iterdir() if path.is_file())
            contents = {path.name: path.read_bytes() for path in files} | {
                CONTRACT: _contract(takes_feedback=takes_feedback, max_body_bytes=max_body_bytes)
            }
        except OSError as error:
            raise ConfigurationError(f"cannot read the page in {folder}: {error}; install the package again") from error
        assets = {"/" if name == INDEX else f"/{name}": _asset(name, body) for name, body in contents.items()}
        if "/" not in assets:
            raise ConfigurationError(f"the page in {folder} has no {INDEX}, only {sorted(assets)}; install again")
        return cls(MappingProxyType(assets))

    def routes(self) -> list[Route]:
        """Return a route for each file; none needs a key."""
        return [
            Route(
                "GET", path, partial(_answer, asset), f"page{path.replace('.', '_')}", "page", "A file of the page",
                {asset.content_type.partition(";")[0]: Any}, other=(304,), is_open=True,
            )
            for path, asset in self.assets.items()
        ]  # fmt: skip

    def get(self, path: str) -> Asset | None:
        """Return the asset at a URL path, or None."""
        return self.assets.get(path)


async def _answer(asset: Asset, request: Request) -> Reply:
    headers = tuple((name.encode(), value.encode()) for name, value in asset.headers.items() if name != "content-type")
    if asset.is_fresh(request.headers.get(b"if-none-match", b"").decode("latin-1") or None):
        return Reply(304, b"", asset.content_type.encode(), headers)
    return Reply(200, asset.body, asset.content_type.encode(), headers)


def _contract(*, takes_feedback: bool, max_body_bytes: int) -> bytes:
    """Write the part of the contract that the page shows as a JavaScript module."""
    reasons = {reason.value: reason.sentence for reason in Rejection}
    constants = {
        "REASONS": reasons,
        "SUFFIXES": SUFFIXES,
        "MAX_PICTURES": MAX_PICTURES,
        "MAX_BODY": max_body_bytes,
        "TAKES_FEEDBACK": takes_feedback,
    }
    return "".join(f"export const {name} = {json.dumps(value)};\n" for name, value in constants.items()).encode()


def _asset(name: str, body: bytes) -> Asset:
    content_type = CONTENT_TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or OCTETS
    return Asset(body=body, content_type=content_type, etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')
