"""Asks the other workers of this service whether they remember an answer: each has a socket in the feedback folder.

A correction may reach another worker than the one that answered. Workers ask each other over a Unix socket that only
this user may open. If sockets are not available (path too long, unsuitable file system), each worker knows only its own
answers, and clients send the picture instead.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from service.contract import SIDE
from service.feedback.recent import Answered

logger = logging.getLogger("bentoml.service.feedback")

FOLDER: Final = ".workers"
LIMIT_S: Final = 2.0  # to ask one worker
QUESTION_BYTES: Final = 2048
_LENGTH_BYTES: Final = 4

Find = Callable[[str, int], Answered | None]


class Neighbours:
    """This worker's socket, and the other workers' sockets.

    Args:
        folder: the feedback folder, which all workers share.
        find: this worker's own memory.
    """

    def __init__(self, folder: Path, find: Find) -> None:
        self._folder = folder / FOLDER
        self._find = find
        self._machine = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # several may share the folder
        self._path = self._folder / f"{self._machine}-{secrets.token_hex(4)}"
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Start answering other workers."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._answer, self._path)
            finally:
                os.umask(before)
        except (OSError, AttributeError) as error:
            logger.warning(
                "no socket in %s (%s): only the worker that answered can take a correction by id",
                *(self._folder, error),
            )

    def close(self) -> None:
        """Stop answering other workers."""
        if self._server is not None:
            self._server.close()
        _remove(self._path)

    async def find(self, request_id: str, place: int) -> Answered | None:
        """Return what another worker remembers of an answer."""
        try:
            others = self._others()
        except OSError:
            return None
        answers = await asyncio.gather(*(self._ask(other, request_id, place) for other in others))
        return next((answer for answer in answers if answer is not None), None)

    def _others(self) -> list[Path]:
        return [path for path in self._folder.glob(f"{self._machine}-*") if path != self._path]

    async def _ask(self, path: Path, request_id: str, place: int) -> Answered | None:
        try:
            async with asyncio.timeout(LIMIT_S):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(json.dumps([request_id, place]).encode() + b"\n")
                    return _unpack(await reader.read(-1))
                finally:
                    writer.close()
        except ConnectionRefusedError:  # its worker is dead
            _remove(path)
        except (OSError, TimeoutError, ValueError) as error:
            logger.warning("a worker did not tell which answers it remembers: %s", error)
        return None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                request_id, place = json.loads(await reader.readuntil(b"\n"))
                writer.write(_pack(self._find(request_id, place)))
                await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the one who asked has gone, or asks nonsense
        finally:
            writer.close()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _pack(answered: Answered | None) -> bytes:
    if answered is None:
        return b""
    fields = answered._asdict()
    del fields["picture"], fields["image"]
    head = json.dumps(fields).encode()
    return b"".join([len(head).to_bytes(_LENGTH_BYTES), head, answered.image.tobytes(), answered.picture])


def _unpack(content: bytes) -> Answered | None:
    if not content:
        return None
    begin = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES])
    end = begin + SIDE * SIDE
    fields: dict[str, Any] = json.loads(content[_LENGTH_BYTES:begin])
    image = np.frombuffer(content[begin:end], np.uint8).reshape(SIDE, SIDE)
    return Answered(picture=content[end:], image=image, **fields)
