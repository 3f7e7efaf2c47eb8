"""What a request that was given up leaves behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from service.gateway.deadline import FIRST_LOOK_S, Deadline
from service.gateway.messages import BodyLimits, Disconnected, Message, Request
from service.gateway.pace import PaceLimits

SCOPE = {"method": "POST", "path": "/predict", "headers": [(b"content-length", b"3")]}


class Picture(bytearray):
    """Bytes that can be watched."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Leave only reference counts to free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("leaves", [True, False])
def test_a_slow_request_frees_its_picture_without_the_collector(*, leaves: bool) -> None:
    """Whether the client leaves or waits: no cycle keeps megabytes until the next full collection."""
    pictures: list[weakref.ref[Picture]] = []
    gone = asyncio.Event()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def handle(picture: Picture) -> None:
        pictures.append(weakref.ref(picture))
        request = Request(SCOPE, receive, BodyLimits(1000, 1000))
        with Deadline(request, 5, PaceLimits(5, 5, 0)):
            await asyncio.sleep(FIRST_LOOK_S * 1.2)  # the client is watched by then
            if leaves:
                gone.set()
                await asyncio.sleep(5)

    async def serve() -> None:
        request = asyncio.create_task(handle(Picture(1000)))
        if leaves:
            with pytest.raises(Disconnected):
                await request
            assert request.cancelling() == 0  # what cancelled it is over, and would else look like a stop from outside
        else:
            await request
        del request
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert pictures[0]() is None

    asyncio.run(serve())
