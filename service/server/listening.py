"""The listening socket: a TCP port, or a file (a Unix socket), and where clients find it."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from service.server.supervisor import StartError

BACKLOG: Final = 2048
EVERY_ADDRESS: Final = {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on
MODE: Final = 0o660  # of a socket file: whoever may write to it may connect
PROBE_S: Final = 1.0


class SocketFile(NamedTuple):
    """A socket's file, and which one of all that ever had its name: by device, inode and when it was made.

    Inodes are used again at once; a file's owner may change its mode, but not when it was made.
    """

    path: str
    device: int
    inode: int
    made_ns: int

    @classmethod
    def of(cls, path: str) -> SocketFile:
        """Describe the file that is there now."""
        found = os.stat(path)  # noqa: PTH116 - a path of 108 bytes, not of parts
        return cls(path, found.st_dev, found.st_ino, found.st_mtime_ns)

    def remove(self) -> None:
        """Remove the file, so that nobody connects any more, unless another one has its name by now."""
        with suppress(OSError):
            if SocketFile.of(self.path) == self:
                os.unlink(self.path)  # noqa: PTH108

    def write(self) -> str:
        """Write it as `read` reads it."""
        return f"{self.device}:{self.inode}:{self.made_ns}:{self.path}"

    @classmethod
    def read(cls, text: str) -> SocketFile:
        """Read what `write` wrote."""
        device, inode, made_ns, path = text.split(":", 3)
        return cls(path, int(device), int(inode), int(made_ns))


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes any free one, and `::` answers IPv4 as well.

    Raises:
        StartError: the port is taken, or the address is not ours to bind.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(
            f"cannot listen on {host} port {port}: {reason}; choose others with --host and --port"
        ) from None


def bind_file(path: str) -> tuple[socket.socket, SocketFile]:
    """Open a Unix socket, to which owner and group may connect.

    A socket file that nobody listens on is what a killed server left, and is replaced. A lock on its folder keeps two
    servers that start at once from replacing each other's.

    Raises:
        StartError: somebody listens there, something else is there, or the folder cannot be written.
    """
    try:
        with _locked(Path(path).resolve().parent):
            _remove_stale(path)
            listener = socket.socket(socket.AF_UNIX)
            try:
                listener.bind(path)
                os.chmod(path, MODE)  # noqa: PTH101
                listener.listen(BACKLOG)
                return listener, SocketFile.of(path)
            except BaseException:
                listener.close()
                raise
    except OSError as error:
        raise StartError(f"cannot listen on {path}: {error.strerror or error}; choose another with --uds") from None


def address(host: str, port: int, scheme: str = "http") -> str:
    """Return the URL at which a browser on this machine finds the service."""
    if host in EVERY_ADDRESS:
        return f"every address, {scheme}://localhost:{port}"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"cannot listen on {path}: it is a file of another kind; choose another with --uds")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
        except TimeoutError:  # its backlog is full
            pass
        except OSError as error:
            if error.errno == errno.ENOENT:  # it went this moment
                return
            raise
    raise StartError(f"cannot listen on {path}: a server listens there; end it, or choose another with --uds")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import fcntl  # noqa: PLC0415 - not on Windows, which is told so in a line

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems lock no folder
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
