"""The whole circle, measured: strangers' digits of one kind are corrected over HTTP, learnt, loaded live, asked again.

    DIGITS_DATA=… python -m benchmarks.corrections [--kind struck] [--keep FOLDER] [-- options of finetune]

The digits are Chars74K's, 55 writers with one of each digit ($DIGITS_DATA/hands, docs/data.md), written on a page in a
way that the network was not taught. 35 writers' wrong answers are corrected; the other 20 are never shown to it.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.servers import Server, running
from service.model.artifact import latest_version
from service.settings import SHIPPED_MODEL
from training.data.hands import load_hands
from training.data.mnist import data_folder
from training.data.sources import is_lookalike

ROOT = Path(__file__).resolve().parents[1]
WRITERS, TAUGHT = 55, 35
HANDS = "chars74k_validation"
SIGNS = 60  # pictures without a digit, of each side
KINDS = ("struck", "underlined", "circled")
OPERATOR = {"Authorization": "Bearer operator"}
CALLER = {"Authorization": "Bearer caller"}


class Drawn(NamedTuple):
    """A picture as PNG, and what it shows; None for no digit."""

    picture: bytes
    label: str | None


def main() -> None:
    """Run the example, and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0], help=f"what is drawn beside the digits ({KINDS[0]})")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="the model to start from (models/digits)")
    parser.add_argument("--data", type=Path, default=data_folder(), help="with MNIST/raw and hands")
    parser.add_argument("--keep", type=Path, help="a new folder that keeps corrections, both versions and reports")
    parser.add_argument("finetune", nargs="*", help="after --: options of `python -m training finetune`")
    options = parser.parse_args()
    taught, others = draw(options.data, options.kind)
    with tempfile.TemporaryDirectory(prefix="digits-corrections-") as name:
        folder = options.keep or Path(name)
        run(folder, options.model, taught, others, ("--data", str(options.data), *options.finetune))


def run(folder: Path, model: Path, taught: list[Drawn], others: list[Drawn], finetune: tuple[str, ...]) -> None:
    """Serve, correct, teach, load and ask again."""
    base = latest_version(model) if not (model / "manifest.json").exists() else model
    shutil.copytree(base, folder / "digits" / "1")
    manifest = json.loads((folder / "digits" / "1" / "manifest.json").read_text())
    (folder / "digits" / "1" / "manifest.json").write_text(json.dumps(manifest | {"version": "1"}))
    with running(server(folder), workers=2) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        before = score(client, others)
        count = correct(client, taught)
        print(f"{count} of {len(taught)} answers corrected over HTTP, and accepted by the operator")
        started = time.perf_counter()
        teach(folder, finetune)
        print(f"learnt in {time.perf_counter() - started:.0f} s, pools, parity proof and gate included")
        load(client)
        after = score(client, others)
        print(f"digits of {WRITERS - TAUGHT} other writers, never shown: {before[0]} right before, {after[0]} after")
        print(f"signs of theirs that are no digit: {before[1]} rejected before, {after[1]} after")
        manifest = json.loads((folder / "digits" / "2" / "manifest.json").read_text())
        for name in ("new", "old", "hands", "others"):
            print(f"gate, {name}: {json.dumps(manifest['gate'][name])}")
        print(f"membership attack on version 2: {json.dumps(manifest['membership'])}")


def server(folder: Path) -> Server:
    """Describe a service that takes corrections, on a copy of the model."""
    settings = {
        "MODEL": folder / "digits",
        "API_KEY": "caller",
        "REPOSITORY_API": "true",
        "FEEDBACK": folder / "corrections",
        "FEEDBACK_KEY": "operator",
        "FEEDBACK_PER_MINUTE": 100_000,
    }
    environment = {f"DIGITS_{name}": str(value) for name, value in settings.items()}
    return Server("this service", ("-m", "service", "--port={port}"), "/readyz", "/livez", {}, environment)


def ask(client: httpx.Client, one: Drawn) -> tuple[str, bool]:
    """Have a picture answered; returns the answer's id, and whether it is right."""
    headers = {"Content-Type": "image/png", **CALLER}
    answer = client.post("/predict", content=one.picture, headers=headers).raise_for_status()
    said = answer.json()["digit"]
    return answer.headers["x-request-id"], (None if said is None else str(said)) == one.label


def score(client: httpx.Client, drawn: Iterable[Drawn]) -> tuple[str, str]:
    """Ask all; returns how many digits, and how many signs, were answered rightly."""
    right = {True: [0, 0], False: [0, 0]}
    for one in drawn:
        counts = right[one.label is not None]
        counts[0] += ask(client, one)[1]
        counts[1] += 1
    digits, signs = (f"{counts[0]} of {counts[1]}" for counts in (right[True], right[False]))
    return digits, signs


def correct(client: httpx.Client, drawn: Iterable[Drawn]) -> int:
    """Correct each wrong answer by its id, as its writer would, and accept it, as the operator would."""
    count = 0
    for one in drawn:
        request_id, is_right = ask(client, one)
        if is_right:
            continue
        said = {"id": request_id, "digit": None if one.label is None else int(one.label)}
        made = client.post("/feedback", json=said, headers=CALLER).raise_for_status().json()["id"]
        decision = {"id": made, "state": "accepted"}
        client.post("/feedback/decision", json=decision, headers=OPERATOR).raise_for_status()
        count += 1
    return count


def teach(folder: Path, finetune: tuple[str, ...]) -> None:
    """Run the command that a person would, with these further options."""
    command = [
        *(sys.executable, "-m", "training", "finetune", "--feedback", str(folder / "corrections")),
        *("--model", str(folder / "digits"), "--run", str(folder / "runs" / "finetune"), *finetune),
    ]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise SystemExit("error: nothing was published; the line above says why")


def load(client: httpx.Client) -> None:
    """Load the new version, and wait until every worker answers by it."""
    client.post("/v2/repository/models/digits/load", headers=CALLER).raise_for_status()
    in_a_row = 0
    while in_a_row < 20:
        with httpx.Client(base_url=client.base_url) as another:  # a connection of its own, to either worker
            version = another.post("/predict", files={"image": blank()}, headers=CALLER).json()["model"]["version"]
        in_a_row = in_a_row + 1 if version == "2" else 0


def blank() -> bytes:
    """Return a white picture."""
    return as_png(Image.new("L", (40, 40), 255))


def draw(data: Path, kind: str) -> tuple[list[Drawn], list[Drawn]]:
    """Draw the digits, and some other signs, of those who correct and of those who are never shown."""
    signs = load_hands(data, [HANDS])[HANDS]
    if signs.images is None:
        raise SystemExit(f"error: {HANDS} holds no pictures")
    rng = np.random.default_rng(0)
    taught: list[Drawn] = []
    others: list[Drawn] = []
    numbers: dict[str, int] = {}  # of the writer: each sign's pictures are in their order
    letters: list[tuple[int, Drawn]] = []
    for image, label in zip(signs.images, signs.labels.tolist(), strict=True):
        writer = numbers[label] = numbers.get(label, -1) + 1
        if label.isdecimal():
            (taught if writer < TAUGHT else others).append(Drawn(page(image, kind, rng), label))
        elif not is_lookalike(HANDS, label):
            letters.append((writer, Drawn(page(image, kind, rng), None)))
    for side, is_taught in ((taught, True), (others, False)):
        mine = [one for writer, one in letters if (writer < TAUGHT) == is_taught]
        side.extend(mine[at] for at in rng.permutation(len(mine))[:SIGNS].tolist())
    return taught, others


def page(image_u8: np.ndarray, kind: str, rng: np.random.Generator) -> bytes:
    """Write a sign, uint8 [H, W] bright on black, on a white page, with a line that does not belong to it."""
    rows, columns = np.nonzero(image_u8 > 60)
    ink = 255 - image_u8[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    factor = 130 / max(ink.shape)
    sign = Image.fromarray(ink).resize(
        [max(1, round(side * factor)) for side in ink.shape[::-1]], Image.Resampling.BICUBIC
    )
    canvas = Image.new("L", (300, 300), 255)
    left, top = (300 - sign.width) // 2, (300 - sign.height) // 2
    canvas.paste(sign, (left, top))
    pen, width = ImageDraw.Draw(canvas), int(rng.integers(7, 11))
    right, bottom, tilt = left + sign.width, top + sign.height, int(rng.integers(-5, 6))
    if kind == "underlined":
        pen.line([(left - 20, bottom + 12), (right + 20, bottom + 12 + tilt)], 0, width)
    elif kind == "struck":
        pen.line([(left - 15, top + 0.6 * sign.height), (right + 15, top + 0.4 * sign.height)], 0, width)
    else:
        x, y, radius = 150 + tilt, 150 - tilt, max(sign.size) * rng.uniform(0.72, 0.82)
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], outline=0, width=width)
    return as_png(canvas)


def as_png(picture: Image.Image) -> bytes:
    """Write a picture as a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    main()
