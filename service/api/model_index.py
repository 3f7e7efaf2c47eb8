"""The index of Triton's model repository extension: which versions there are, and which of them serves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import orjson
from typing_extensions import TypedDict

from service.contract import JSON
from service.errors import ArtifactError, PayloadTooLarge, RequestError
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route
from service.model.artifact import Artifact, versions_of


class VersionState(TypedDict):
    """One version, and whether it serves."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class IndexRequest(TypedDict, total=False):
    """Which versions are wanted: all, or those alone that are ready."""

    ready: bool


class ModelIndex:
    """The versions beside the one that serves; all need no write access, and change nothing.

    Args:
        folder: DIGITS_MODEL: a model's folder with its versions in it, or one version's alone.
        current: what serves.
    """

    def __init__(self, folder: Path, current: Artifact) -> None:
        self._name = current.manifest.name
        self._version = current.manifest.version
        self._folder = folder if current.folder.resolve().parent == folder.resolve() else None

    def routes(self) -> list[Route]:
        """Return the route."""
        return [
            Route(
                "POST", "/v2/repository/index", self._answer, "index", "operations", "List the versions",
                {JSON: list[VersionState]}, {JSON: IndexRequest}, errors=(RequestError, PayloadTooLarge),
                needs_body=False,
            ),
        ]  # fmt: skip

    def entries(self, *, only_ready: bool = False) -> list[VersionState]:
        """List the versions, from the lowest to the highest."""
        versions = [self._version]
        if self._folder is not None and not only_ready:
            try:
                versions = versions_of(self._folder)
            except ArtifactError:  # it has gone meanwhile; what serves is in memory
                versions = [self._version]
        return [self._entry(version) for version in versions]

    async def _answer(self, request: Request) -> Reply:
        only_ready = _only_ready(await request.body())
        return json_reply(await asyncio.to_thread(self.entries, only_ready=only_ready))

    def _entry(self, version: str) -> VersionState:
        if version == self._version:
            return {"name": self._name, "version": version, "state": "READY", "reason": ""}
        return {"name": self._name, "version": version, "state": "UNAVAILABLE", "reason": "not loaded"}


def _only_ready(body: bytes) -> bool:
    """Read `{"ready": true}`; an empty body asks for all."""
    try:
        content: Any = orjson.loads(body) if body.strip() else {}
        ready = content.get("ready", False)
    except (ValueError, AttributeError) as error:
        raise RequestError(f'the body is not like {{"ready": true}} ({str(error)[:100]})') from error
    if not isinstance(ready, bool):
        raise RequestError(f"'ready' is {str(ready)[:20]}, expected true or false")
    return ready
