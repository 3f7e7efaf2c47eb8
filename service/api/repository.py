"""Lists the versions in the model's folder and changes the served one without a restart (off unless set).

Routes and bodies are those of Triton's model repository extension of the Open Inference Protocol.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
from typing_extensions import TypedDict

from service.contract import JSON
from service.errors import ArtifactError, ConfigurationError, NotFound, PayloadTooLarge, RequestError, ServiceError
from service.gateway.messages import Reply, Request, json_reply
from service.gateway.route import Route
from service.model.artifact import SERVING_FILE, Artifact, latest_version, load_artifact, pinned_version, versions_of
from service.model.session import DigitSession

logger = logging.getLogger("bentoml.service.repository")

LOOK_S: Final = 0.5  # how often a worker looks whether another one has changed the version


class LoadParameters(TypedDict, total=False):
    """The version to serve; the highest, if none is named."""

    version: str


class LoadRequest(TypedDict, total=False):
    """The version to serve."""

    parameters: LoadParameters


class LoadAnswer(TypedDict):
    """The version that is served now."""

    name: str
    version: str


class Repository:
    """Loads another version while the current one serves, then switches in one step on the event loop.

    Which version was asked for stands in the file `serving` beside the versions: every worker follows it within half
    a second, and every later start takes it.

    Args:
        folder: of a model, `models/<name>`.
        current: what serves now.
        opened: opens and warms up an artifact; called in a thread.
        use: has the next request answered by a session; called on the event loop.

    Raises:
        ConfigurationError: the served version is not one of the folder's.
    """

    def __init__(
        self,
        folder: Path,
        current: Artifact,
        opened: Callable[[Artifact], DigitSession],
        use: Callable[[DigitSession], None],
    ) -> None:
        check_folder(folder, current)
        self._folder = folder
        self._name = current.manifest.name
        self._version = current.folder.name
        self._opened = opened
        self._use = use
        self._changing = asyncio.Lock()
        self._refused: str | None = None  # a version in the file that could not be loaded: not tried twice a second

    def routes(self) -> list[Route]:
        """Return the route that changes the version; service/api/model_index.py lists them."""
        path = f"/v2/repository/models/{self._name}/load"
        return [
            Route(
                "POST", path, self.load, "load", "operations", "Change to another version",
                {JSON: LoadAnswer}, {JSON: LoadRequest}, errors=(RequestError, PayloadTooLarge, NotFound),
            ),
        ]  # fmt: skip

    async def load(self, request: Request) -> Reply:
        """Serve the version that `{"parameters": {"version": "1"}}` names, or else the highest.

        Raises:
            NotFound: there is no such version.
            RequestError: the body is malformed, or the version cannot be served; the old one still is.
        """
        wanted = _wanted(await request.body()) or latest_version(self._folder).name
        known = versions_of(self._folder)
        if wanted not in known:
            raise NotFound(f"{self._name} has no version {wanted[:20]!r}, expected one of {', '.join(known)}")
        async with self._changing:
            session = await self._open(wanted)
            try:
                _replace(self._folder / SERVING_FILE, wanted)
            except OSError as error:
                raise RequestError(
                    f"not loaded: {self._folder / SERVING_FILE} cannot be written ({error.strerror}); "
                    "other workers and the next start read the version from it; make the folder writable"
                ) from error
            self._take(session, wanted)
        return json_reply({"name": self._name, "version": wanted})

    def follow(self) -> None:
        """From now on, follow when another worker changes the version."""
        asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        try:
            pinned = pinned_version(self._folder)
        except ServiceError as error:
            logger.warning("%s", error)
            pinned = None
        if pinned is None or pinned.name in (self._version, self._refused) or self._changing.locked():
            self.follow()
        else:
            self._following = asyncio.get_running_loop().create_task(self._change(pinned.name))

    async def _change(self, wanted: str) -> None:
        try:
            async with self._changing:
                self._take(await self._open(wanted), wanted)
        except ServiceError as error:
            self._refused = wanted
            logger.error("%s", error)  # noqa: TRY400 - the message says it all
        finally:
            self.follow()

    async def _open(self, version: str) -> DigitSession:
        try:
            return await asyncio.get_running_loop().run_in_executor(None, self._open_in_thread, version)
        except ServiceError as error:
            raise RequestError(f"not loaded, version {self._version} still serves: {error}") from error

    def _open_in_thread(self, version: str) -> DigitSession:
        artifact = load_artifact(self._folder / version)
        said = (artifact.manifest.name, artifact.manifest.version)
        if said != (self._name, version):
            raise ArtifactError(f"the manifest in {artifact.folder} is of {said}, expected {(self._name, version)}")
        return self._opened(artifact)

    def _take(self, session: DigitSession, version: str) -> None:
        self._use(session)
        logger.info("serving version %s, before %s", version, self._version)
        self._version, self._refused = version, None


def check_folder(folder: Path, current: Artifact) -> None:
    """Raise ConfigurationError unless the served version is one of the folder's."""
    if current.folder.resolve().parent != folder.resolve():
        raise ConfigurationError(
            f"DIGITS_MODEL is {folder}, one version's folder, expected a model's folder with its versions in it: "
            "only then can DIGITS_REPOSITORY_API change from one to another"
        )


def _wanted(body: bytes) -> str | None:
    """Return the version that a body names, if it names one."""
    try:
        content: Any = orjson.loads(body) if body.strip() else {}
        version = content.get("parameters", {}).get("version")
    except (ValueError, AttributeError, RecursionError) as error:
        raise RequestError(f'the body is not like {{"parameters": {{"version": "1"}}}} ({str(error)[:100]})') from error
    if version is not None and not isinstance(version, str):
        raise RequestError(f"'version' is {str(version)[:20]}, expected a string such as \"1\"")
    return version


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.write_text(text + "\n", encoding="ascii")
    temporary.replace(path)
