"""The backlog of a listening socket: accepts what the kernel has accepted, and makes it ignore new connections."""

from __future__ import annotations

import ctypes
import logging
import socket
import struct
import sys
from typing import Final

logger = logging.getLogger("bentoml.service.backlog")

SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h
# Classic BPF on the TCP header (linux/filter.h; opcode, jump if true, jump if false, operand): drop what has SYN
# without ACK among its flags in byte 13, and let the rest of handshakes pass that have begun.
_DROP_SYN: Final = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte
        (0x54, 0, 0, 0x12),  # and SYN | ACK
        (0x15, 0, 1, 0x02),  # is it SYN alone?
        (0x06, 0, 0, 0),  # yes: keep 0 bytes of the packet
        (0x06, 0, 0, 0xFFFFFFFF),  # no: keep it
    )
)


def drop_new(listener: socket.socket) -> None:
    """Make the kernel ignore new connections, for all processes that share the socket.

    Their clients send the SYN again a second later, and find a successor or a closed port. Without this, one that
    comes between the last accept and the close of the socket is reset. A Unix socket has no SYN: its file is removed.
    """
    if sys.platform != "linux" or listener.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    try:
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
        )
    except OSError as error:
        logger.warning("the kernel cannot ignore new connections during the shutdown: %s", error)


def accept_all(listener: socket.socket, at_most: int = sys.maxsize) -> list[socket.socket]:
    """Accept, without waiting, connections whose handshake is complete: all, or so many."""
    listener.setblocking(False)  # noqa: FBT003
    accepted: list[socket.socket] = []
    while len(accepted) < at_most:
        try:
            accepted.append(listener.accept()[0])
        except BlockingIOError:
            break
        except ConnectionError:  # it left before its turn
            continue
        except OSError as error:
            logger.warning("cannot accept the connections in the backlog: %s", error)
            break
    return accepted
