"""The check of bodies that nobody thought of: hypothesis draws pictures, damages them, and sends them to /predict."""

from __future__ import annotations

import http.client
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from benchmarks.chaos.traffic import service
from service.contract import FORM, FORMATS, PICTURE_TYPES

FUZZ_S = 180.0
ROUND = 300  # bodies, after which the clock is looked at
TIMEOUT_S = 30
MAX_SIDE = 300
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
ALLOWED = {200, 400, 413, 415, 422}


class Body(NamedTuple):
    """One request's Content-Type and body."""

    kind: str
    data: bytes


@st.composite
def canvases(draw: st.DrawFn) -> Image.Image:
    """Draw shapes, or noise, on one colour: a grey picture with sides of 1 to MAX_SIDE pixels."""
    width, height = draw(st.integers(1, MAX_SIDE)), draw(st.integers(1, MAX_SIDE))
    shade = st.integers(0, 255)
    if draw(st.integers(0, 9)) == 0:
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        low, high = sorted((draw(shade), draw(shade)))
        return Image.fromarray(random.integers(low, high + 1, (height, width), np.uint8))
    canvas = Image.new("L", (width, height), draw(shade))
    pen = ImageDraw.Draw(canvas)
    for _ in range(draw(st.integers(0, 12))):
        xs = sorted(draw(st.tuples(st.integers(-9, width + 9), st.integers(-9, width + 9))))
        ys = sorted(draw(st.tuples(st.integers(-9, height + 9), st.integers(-9, height + 9))))
        box, ink, thick = (xs[0], ys[0], xs[1], ys[1]), draw(shade), draw(st.integers(0, 20))
        match draw(st.integers(0, 5)):
            case 0:
                pen.rectangle(box, ink)
            case 1:
                pen.rectangle(box, None, ink, thick)
            case 2:
                pen.ellipse(box, ink)
            case 3:
                pen.ellipse(box, None, ink, thick)
            case 4:
                pen.line(box, ink, thick)
            case _:
                _grid(pen, box, ink, draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    return canvas


def _grid(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], ink: int, step: int, side: int) -> None:
    for x in range(box[0], box[2], step + side):
        for y in range(box[1], box[3], step + side):
            pen.rectangle((x, y, x + side - 1, y + side - 1), ink)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Write a canvas in some mode and format, and sometimes damage the file."""
    canvas, file = draw(canvases()), io.BytesIO()
    changed = canvas.convert(draw(st.sampled_from(MODES)))
    try:
        changed.save(file, draw(st.sampled_from(FORMATS)).name)
    except (KeyError, OSError, ValueError):  # the format has no such mode
        file = io.BytesIO()
        canvas.save(file, "PNG")
    data = bytearray(file.getvalue())
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2, 8)))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 9)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    return bytes(data) + draw(st.sampled_from((b"", b"", b"\0" * 9)))


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """Send a file as the body itself, or in a form with names of any bytes."""
    data = draw(st.one_of(files(), files(), files(), st.binary(max_size=200)))
    if draw(st.booleans()):
        return Body(draw(st.sampled_from(PICTURE_TYPES)), data)
    name = draw(st.binary(max_size=20)).translate(None, b'\r\n"\\')
    field = draw(st.sampled_from((*[b"image"] * 8, b"images", name)))
    head = b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n' % (field, name)
    return Body(f"{FORM}; boundary=xyz", head + data + b"\r\n--xyz--\r\n")


def fuzz() -> tuple[bool, str]:
    """Three minutes of drawn and damaged pictures to /predict: an answer or a refusal, never a 500."""
    statuses: Counter[int] = Counter()
    with service() as (_, port):
        first = int(time.time())  # other bodies each time
        failed = search(lambda body: _ask(port, body), statuses, FUZZ_S, first)
    seen = f"{sum(statuses.values())} bodies from seed {first}: {dict(sorted(statuses.items()))}"
    if failed is None:
        return True, seen
    kept = Path(tempfile.mkdtemp(prefix="digits-fuzz-")) / "body"
    kept.write_bytes(failed.data)
    return False, f"{seen}; the smallest that fails is in {kept}, as {failed.kind}"


def search(
    ask: Callable[[Body], int],
    statuses: Counter[int],
    seconds: float,
    first: int,
    rounds: int = 2**31,
    each: int = ROUND,
) -> Body | None:
    """Ask with drawn bodies until the time is over; return the smallest whose status is not allowed, if one is found.

    Args:
        ask: sends one body and returns the status.
        statuses: counts what came back.
        seconds: for all; looked at after each round.
        first: seed of the first round; the next ones follow.
        rounds: at most so many.
        each: bodies in a round.
    """
    failing: list[Body] = []

    def check(body: Body) -> None:
        status = ask(body)
        statuses[status] += 1
        if status not in ALLOWED:
            failing.append(body)
            raise AssertionError(status)

    end = time.monotonic() + seconds
    for number in range(first, first + rounds):
        if time.monotonic() > end:
            break
        attempt = settings(
            max_examples=each,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )(seed(number)(given(bodies())(check)))
        try:
            attempt()
        except AssertionError:
            return failing[-1]  # the last one that hypothesis tries is the smallest
    return None


def _ask(port: int, body: Body) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/predict", body.data, {"Content-Type": body.kind})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
