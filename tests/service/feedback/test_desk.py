"""A correction finds its answer, whichever worker gave it, and what is kept names nobody."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from feedback_samples import answer, image, png

from service.errors import NotFound, Overloaded
from service.feedback import desk as module
from service.feedback.desk import FeedbackDesk
from service.feedback.neighbours import FOLDER


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of a short name: a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="d") as name:
        yield Path(name)


@asynccontextmanager
async def desks(folder: Path, count: int) -> AsyncIterator[list[FeedbackDesk]]:
    """Open the desks of several workers over one folder."""
    made = [FeedbackDesk(folder, 2**20, 60) for _ in range(count)]
    made[0].store.open()
    for desk in made:
        await desk.open()
    try:
        yield made
    finally:
        for desk in made:
            desk.close()


def test_another_worker_is_asked_for_its_answer(tmp_path: Path) -> None:
    """The answer comes over as it was given; who does not know it says so, and a dead worker is passed over."""

    async def scenario() -> None:
        async with desks(tmp_path / "feedback", 3) as (first, second, third):
            first.recent.add("a", 2, answer(5, None))
            found = await second.find("a", 2)
            assert np.array_equal(found.image, image(5))
            assert found[:1] + found[2:] == answer(5, None)[:1] + answer(5, None)[2:]
            sockets = set((tmp_path / "feedback" / FOLDER).iterdir())
            assert len(sockets) == 3
            third._neighbours._server.close()  # type: ignore[union-attr]  # as if it were killed: its socket stays
            assert np.array_equal((await second.find("a", 2)).image, image(5))
            with pytest.raises(NotFound, match="send the picture with its label"):
                await second.find("b", 0)
        assert list((tmp_path / "feedback" / FOLDER).iterdir()) == []

    asyncio.run(scenario())


def test_without_sockets_each_worker_knows_its_own_answers(tmp_path: Path) -> None:
    """A path that is too long for a socket costs a warning and no start."""

    async def scenario() -> None:
        async with desks(tmp_path / ("long" * 30), 2) as (first, second):
            first.recent.add("a", 0, answer(1))
            assert (await first.find("a", 0)).picture == png(1)
            with pytest.raises(NotFound):
                await second.find("a", 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "nonsense", [b"", b"\n", b"[]\n", b"{}\n", b'["a"]\n', b"[[],{}]\n", b"\xff\n", b"x" * 100_000]
)
def test_nonsense_on_the_socket_breaks_nothing(tmp_path: Path, nonsense: bytes) -> None:
    """The asker gets an empty answer, and the next one a good one."""

    async def scenario() -> None:
        async with desks(tmp_path / "feedback", 2) as (first, second):
            first.recent.add("a", 0, answer(1))
            reader, writer = await asyncio.open_unix_connection(first._neighbours._path)
            writer.write(nonsense)
            writer.write_eof()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            assert (await second.find("a", 0)).picture == png(1)

    asyncio.run(scenario())


def test_what_is_kept_names_nobody(tmp_path: Path) -> None:
    """Neither the request's id nor anything of the request is in the record."""

    async def scenario() -> None:
        async with desks(tmp_path / "feedback", 1) as (desk,):
            desk.recent.add("request-of-ada", 0, answer(1))
            correction, is_new = await desk.keep(await desk.find("request-of-ada", 0), "7")
            assert is_new
            assert (await desk.keep(answer(1), "7")) == (correction, False)
            record = json.loads((desk.store.path(correction.id) / "correction.json").read_text())
            assert set(record) == {
                *("id", "label", "answered", "rejected", "confidence", "model", "version", "time"),
                *("picture", "picture_sha256", "seen_sha256"),
            }
            assert b"of-ada" not in b"".join(
                path.read_bytes() for path in desk.store.folder.rglob("*") if path.is_file()
            )

    asyncio.run(scenario())


def test_a_slow_disk_makes_no_endless_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when enough wait already is told to come again."""
    monkeypatch.setattr(module, "WAITING", 2)

    async def scenario() -> None:
        async with desks(tmp_path / "feedback", 1) as (desk,):
            results = await asyncio.gather(*(desk.keep(answer(seed), "7") for seed in range(4)), return_exceptions=True)
            assert [isinstance(each, Overloaded) for each in results] == [False, False, True, True]

    asyncio.run(scenario())
