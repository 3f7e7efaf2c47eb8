"""The process in which HEIC and AVIF are decoded: `python -m service.preprocess.sandboxed`, started by sandbox.py."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, Final

from PIL import AvifImagePlugin, features

from service.contract import FORMATS
from service.errors import PictureTooLarge, UndecodablePicture
from service.preprocess.decode import decode_here
from service.preprocess.sandbox import ANSWER, LONGEST_MESSAGE, ORDER, PIXELS, READY, TOO_LARGE, UNDECODABLE

OWN_BYTES: Final = 128 * 2**20  # Python and its libraries: 77 MiB were measured
BYTES_PER_PIXEL: Final = 24  # planes, the same as RGBA, Pillow's copy and ours; 9 were measured for RGB
REMEDIES: Final = {
    "AVIF": "its Pillow was built without; Pillow 11.3 or newer has it.",
    "HEIF": "pip install 'digit-service[heic]'.",
}
_SIZES: Final = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)  # ISO/IEC 23008-12: width and height of each item


def main() -> None:
    """Decode what comes over standard input until it ends."""
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # what a library prints must not be taken for an answer
    formats = readable_formats()
    answers.write(READY)
    answers.flush()
    while head := orders.read(ORDER.size):
        length, max_pixels, work_side = ORDER.unpack(head)
        limit_memory(OWN_BYTES + BYTES_PER_PIXEL * max_pixels)
        answers.write(_answer(orders.read(length), max_pixels, work_side, formats))
        answers.flush()


def readable_formats() -> list[str]:
    """Return the formats of this process, made ready: one thread for each picture, and nothing but the picture.

    AVIF comes first: its decoder says at once if a file that may be either is not its own.
    """
    formats = []
    if features.check("avif"):
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1
        formats.append(AvifImagePlugin.AvifImageFile.format)
    with suppress(ImportError):
        pillow_heif: Any = import_module("pillow_heif")
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
        formats.append("HEIF")
    return formats


def _answer(data: bytes, max_pixels: int, work_side: int, formats: list[str]) -> bytes:
    try:
        _check_whole(data)
        pixels = decode_here(0, data, max_pixels=max_pixels, work_side=work_side, formats=formats).pixels
    except PictureTooLarge as error:
        return _message(TOO_LARGE, str(error))
    except UndecodablePicture as error:
        size = max((_size(match) for match in _SIZES.finditer(data)), key=prod, default=(0, 0))
        if prod(size) > max_pixels:  # the AVIF decoder does not say why it refuses a large one
            return _message(TOO_LARGE, f"The picture is {size[0]} x {size[1]} pixels; the limit is {max_pixels}.")
        return _message(UNDECODABLE, _missing(data, formats) or str(error))
    height, width, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    return ANSWER.pack(PIXELS, 0, height, width, channels) + pixels.tobytes()


def _size(match: re.Match[bytes]) -> tuple[int, int]:
    return int.from_bytes(match[1]), int.from_bytes(match[2])


def _check_whole(data: bytes) -> None:
    """Refuse a file that was cut off; the HEIC decoder would show the tiles that are there.

    Bytes after the last box are ignored: some telephones put data of their own there.
    """
    at = 0
    while at + 16 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16])
        if kind == b"mdat" and at + length > len(data):
            raise UndecodablePicture(
                f"The file is cut off: {len(data)} bytes of {at + length} were sent. Send it whole."
            )
        if length < 8:
            return
        at += length


def _message(kind: int, text: str) -> bytes:
    message = text.encode()[:LONGEST_MESSAGE]
    return ANSWER.pack(kind, len(message), 0, 0, 0) + message


def _missing(data: bytes, formats: list[str]) -> str:
    """Say that this installation does without the file's format, if it does."""
    for each in FORMATS:
        if each.name in REMEDIES and each.name not in formats and re.match(each.signature, data, re.DOTALL):
            what = f"The {len(data)} bytes sent are {each.title}, which this server does not read"
            return f"{what}: {REMEDIES[each.name]} Or send JPEG or PNG."
    return ""


def limit_memory(size: int) -> None:
    """Limit the memory of this process, where the system can: a decoder that needs more fails."""
    with suppress(ImportError):  # Windows
        resource: Any = import_module("resource")
        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.getrlimit(resource.RLIMIT_DATA)[1]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # where the system ends something for want of memory, it shall be this
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
