"""Decodes HEIC and AVIF in a process apart, because their decoders are large, young and written in C and C++.

Each of them has had errors that a single changed byte turns into a crash, and a file whose header lies makes the AVIF
decoder allocate gigabytes. Here the crash ends a process that serves nobody else, and its memory and time are limited.
The process starts with the first such picture (docs/decisions/heic.md).
"""

from __future__ import annotations

import atexit
import logging
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import IO, Final, cast

import numpy as np
from numpy.typing import NDArray

from service.errors import Overloaded, PictureTooLarge, UndecodablePicture

ORDER: Final = Struct("<QQI")  # length of the file, max_pixels, work_side; then the file
ANSWER: Final = Struct("<BIIII")  # what it is, length, and then height, width, channels; then pixels or a message
READY: Final = b"+"
PIXELS, TOO_LARGE, UNDECODABLE = range(3)
LONGEST_MESSAGE: Final = 1000  # bytes
ENDING_S: Final = 1.0
KILLED: Final = -9  # as Popen.returncode: SIGKILL
LIMIT_S: Final = 10.0  # twenty times what 12 megapixels take

_COMMAND: Final = (sys.executable, "-P", "-m", "service.preprocess.sandboxed")
_PACKAGE: Final = Path(__file__).resolve().parents[2]
_SETTINGS: Final = "DIGITS_"  # among them are keys, which a decoder need not know

logger = logging.getLogger(__name__)


def decode_apart(data: bytes, *, max_pixels: int, work_side: int) -> NDArray[np.uint8]:
    """Decode a file as `service.preprocess.decode.decode_here` does, but in another process.

    Raises:
        PictureTooLarge, UndecodablePicture: as there; also where the decoder crashed, or took longer than `LIMIT_S`.
        Overloaded: the process could not be started, or the system ended it.
    """
    decoder = _take()
    try:
        return decoder.decode(data, max_pixels, work_side)
    except (OSError, EOFError, ValueError) as error:
        has_no_memory = decoder.was_killed()
        decoder.close()
        logger.warning("the decoder of a picture of %d bytes ended: %s", len(data), error)
        if has_no_memory:
            raise Overloaded(
                "the system ended the decoder of HEIC and AVIF, because memory ran out; "
                "send JPEG or PNG, or try again soon"
            ) from error
        raise UndecodablePicture(
            f"The {len(data)} bytes sent could not be decoded: the decoder crashed or took over {LIMIT_S:.0f} s. "
            "Send the picture as JPEG or PNG."
        ) from error
    finally:
        if decoder.is_running:
            _idle.append(decoder)


class Decoder:
    """One process that decodes one file at a time; it ends when this process does, because its input ends then.

    Raises:
        Overloaded: it does not start.
    """

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        environment["PYTHONPATH"] = os.pathsep.join([str(_PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])])
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a decoder's warnings are made of what a stranger sent
                env=environment | {"OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # a Ctrl-C is for the server, which ends in its own time
            )
        except OSError as error:
            raise _not_started(error) from error
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        self._is_late = False
        try:
            self._read(len(READY))
        except (OSError, EOFError) as error:
            self.close()
            raise _not_started(error) from error

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def decode(self, data: bytes, max_pixels: int, work_side: int) -> NDArray[np.uint8]:
        """Return the pixels.

        Raises:
            PictureTooLarge, UndecodablePicture: the process refused the file.
            OSError, EOFError, ValueError: the process ended, took too long, or answered nonsense; close it.
        """
        limit = threading.Timer(LIMIT_S, self._expire)
        limit.start()
        try:
            self._in.write(ORDER.pack(len(data), max_pixels, work_side))
            self._in.write(data)
            self._in.flush()
            kind, length, *shape = ANSWER.unpack(self._read(ANSWER.size))
            # The process may be in a stranger's hands: nothing that it says is taken on trust.
            if kind != PIXELS:
                message = self._read(min(length, LONGEST_MESSAGE)).decode(errors="replace")
                raise PictureTooLarge(message) if kind == TOO_LARGE else UndecodablePicture(message)
            height, width, channels = shape
            if not (1 <= height <= work_side and 1 <= width <= work_side and channels in (1, 3)):
                raise ValueError(f"it answered a picture of {height} x {width} x {channels}")
            pixels = np.frombuffer(self._read(height * width * channels), np.uint8)
            return pixels.reshape((height, width, 3) if channels == 3 else (height, width))
        finally:
            limit.cancel()

    def was_killed(self) -> bool:
        """Tell whether the system killed the process, as it does where memory runs out."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_S)  # its output ends a moment before it does
        return self._process.poll() == KILLED and not self._is_late

    def _expire(self) -> None:
        self._is_late = True
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _read(self, length: int) -> bytes:
        data = self._out.read(length)
        if len(data) < length:
            raise EOFError(f"exit status {self._process.poll()}")
        return data


def _not_started(error: Exception) -> Overloaded:
    logger.error("the decoder of HEIC and AVIF does not start: %s", error)
    return Overloaded("HEIC and AVIF cannot be decoded just now; send JPEG or PNG, or try again soon")


_idle: list[Decoder] = []  # at most as many as there are threads that decode; its methods are atomic


def _take() -> Decoder:
    with suppress(IndexError):
        while True:
            decoder = _idle.pop()
            if decoder.is_running:
                return decoder
            decoder.close()
    return Decoder()


@atexit.register
def close_decoders() -> None:
    """End the processes that wait for work."""
    while _idle:
        _idle.pop().close()
