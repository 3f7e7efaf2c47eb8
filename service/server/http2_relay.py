"""A relay in front of gRPC's HTTP/2 server that sends GOAWAY before that server stops.

gRPC's library drops calls when it is told to stop: what is on its way then gets CANCELLED, which no client repeats, and
15 of 16 busy connections lost one. It can neither be told to say goodbye alone, nor be given a listening socket. So the
relay listens, hands the bytes on through a Unix socket, and knows where frames end. There it can put in the GOAWAY
frame: after that, clients begin no more calls on the connection, and close it when the last one is answered.

Source: RFC 9113, 4.1 (frames) and 6.8 (GOAWAY).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from service.server.backlog import accept_all, drop_new

logger = logging.getLogger("bentoml.service.http2_relay")

HEAD_BYTES: Final = 9  # of a frame, of which the first three are the length of the rest
# Length 8, type 7, no flags, stream 0; then the last stream that is answered (any), and the error code (none).
GOAWAY: Final = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\x7f\xff\xff\xff" + b"\x00\x00\x00\x00"
# Length 8, type 6, no flags or ACK, stream 0; then 8 bytes of the sender's choice.
PING: Final = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00"
PING_ACK: Final = b"\x00\x00\x08\x06\x01\x00\x00\x00\x00"
HANDSHAKE_S: Final = 0.1  # for connections whose handshake has begun
STEP_S: Final = 0.02
QUIET_STEPS: Final = 150  # three seconds, not by the clock: a process that was not scheduled has heard nobody meanwhile


class FrameEnds:
    """Follows a stream of HTTP/2 frames; `at_end` tells whether it is between two frames, after the first."""

    __slots__ = ("_left", "_part", "at_end")

    def __init__(self) -> None:
        self.at_end = False
        self._left = 0  # bytes that the frame still has
        self._part = b""  # of a head that was cut

    def feed(self, data: bytes) -> None:
        """Take what comes next."""
        if self._part:
            data = self._part + data
            self._part = b""
        at, size = self._left, len(data)
        while at + HEAD_BYTES <= size:
            at += HEAD_BYTES + int.from_bytes(data[at : at + 3], "big")
        if at < size:
            self._part = data[at:]
        self._left = max(0, at - size)
        self.at_end = at == size


class _End(asyncio.Protocol):
    """One side of a relayed connection: forwards its data to the other side, no faster than that can take it."""

    other: _End | None = None
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class _Client(_End):
    """The client's side; joined to the server's side as soon as that is open.

    Attributes:
        knows: it has acknowledged the PING behind GOAWAY: all calls it began have arrived, and it begins no more.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._frames = FrameEnds()
        self._goodbye = False
        self._acknowledgement = PING_ACK + secrets.token_bytes(8)
        self._tail = b""  # what came last, in case an acknowledgement was cut
        self.knows = False
        self._early: list[bytes] = []  # what came before the join

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._relay.clients.add(self)
        self._joining = asyncio.get_running_loop().create_task(self._join())

    def connection_lost(self, error: Exception | None) -> None:
        self._joining.cancel()
        self._relay.clients.discard(self)
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._relay.has_heard = True
        if self._relay.says_goodbye and not self.knows:
            self._tail = self._tail[-len(self._acknowledgement) + 1 :] + data
            self.knows = self._acknowledgement in self._tail
        if self.other is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)
            self.transport.pause_reading()

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        server = _Server(self)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.setblocking(False)  # noqa: FBT003
            await loop.sock_connect(
                connection, self._relay.path
            )  # create_unix_connection knows no names without a file
            await loop.create_unix_connection(lambda: server, sock=connection)
        except OSError as error:
            logger.warning("a gRPC connection cannot be relayed (%s)", error)
            connection.close()
            self.transport.close()
            return
        except asyncio.CancelledError:
            connection.close()
            raise
        self.other = server
        if self.transport.is_closing():
            server.transport.close()
        else:
            server.transport.writelines(self._early)
            self._early.clear()
            self.transport.resume_reading()

    def answer(self, data: bytes) -> None:
        """Send what the server says."""
        self._frames.feed(data)
        self.transport.write(data)
        if self._goodbye:
            self.say_goodbye()

    def say_goodbye(self) -> None:
        """Send GOAWAY and PING, now or at the end of the frame."""
        self._goodbye = not self._frames.at_end
        if self._frames.at_end and not self.transport.is_closing():
            self.transport.write(GOAWAY + PING + self._acknowledgement[len(PING_ACK) :])


class _Server(_End):
    """gRPC's side."""

    def __init__(self, client: _Client) -> None:
        self.other = self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answer(data)


class Relay:
    """Relays connections from a listening socket to a server behind a Unix socket.

    Attributes:
        target: where that server is to listen, as gRPC writes addresses.
        path: the same, as sockets take it.
        clients: the open connections.
        has_heard: any of them has sent something since this was last set to False.
        says_goodbye: clients are being sent away.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if sys.platform == "linux":  # a name without a file, since there may be no folder that can be written
            name = f"digits-grpc-{secrets.token_hex(16)}"
            self.target, self.path = f"unix-abstract:{name}", f"\0{name}"
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="digits-grpc-", ignore_cleanup_errors=True)
            self.path = str(Path(self._folder.name) / "socket")
            self.target = f"unix:{self.path}"
        self.clients: set[_Client] = set()
        self.has_heard = False
        self.says_goodbye = False

    async def open(self, listener: socket.socket, backlog: int) -> None:
        """Begin to take connections."""
        self._listener = listener
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._client, sock=listener, backlog=backlog)

    async def send_away(self, limit_s: float) -> None:
        """Accept no more connections and send GOAWAY on the open ones; return when they are closed, or after the limit.

        Clients that know and do not go, as they wait for answers, are waited for no longer once all are quiet.
        What the kernel has accepted is taken too. New connections are held off meanwhile: when their clients try again,
        the kernel gives them to another process that listens on the port, if there is one.
        """
        loop = asyncio.get_running_loop()
        double = self._listener.dup()
        drop_new(double)
        await asyncio.sleep(HANDSHAKE_S)
        self._server.close()
        self._listener.close()
        for accepted in accept_all(double):
            await loop.connect_accepted_socket(self._client, accepted)
        double.close()
        self.says_goodbye = True
        for client in list(self.clients):
            client.say_goodbye()
        ends_at, quiet = loop.time() + limit_s, 0
        while self.clients and loop.time() < ends_at and quiet < QUIET_STEPS:
            await asyncio.sleep(STEP_S)
            quiet = 0 if self.has_heard or not all(client.knows for client in self.clients) else quiet + 1
            self.has_heard = False

    def close(self) -> None:
        """Remove the socket file, if there is one."""
        if self._folder is not None:
            self._folder.cleanup()

    def _client(self) -> _Client:
        return _Client(self)
