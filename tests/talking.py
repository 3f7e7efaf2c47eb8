"""One guarded connection over a real socket, around an application of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from service.gateway.messages import Message, Receive, Scope, Send
from service.server.connection import GuardedConnection

LIMIT_S = 30
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
OK: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


class Talk(NamedTuple):
    """A client's two ends, and the server's side of the connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: GuardedConnection


@asynccontextmanager
async def talk(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> AsyncIterator[Talk]:
    """Connect to a server of one guarded connection."""
    loop = asyncio.get_running_loop()
    made: list[GuardedConnection] = []
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()

    def accept() -> GuardedConnection:
        made.append(GuardedConnection(config, state, {}, loop))
        return made[-1]

    async with asyncio.timeout(LIMIT_S), await loop.create_server(accept, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await until(lambda: made)
        yield Talk(reader, writer, made[0])
        writer.close()


async def ok(_: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and answer."""
    while (await receive()).get("more_body"):
        pass
    await send(OK)
    await send({"type": "http.response.body", "body": b"ok"})


async def until(condition: Callable[[], Any]) -> None:
    """Let the event loop go on until it holds; `talk` has the limit."""
    while not condition():  # noqa: ASYNC110 - nothing that could set an event knows of the test
        await asyncio.sleep(0)
