"""What the preprocessing costs beside Pillow's decode and resize, on people's pictures and on the worst.

python -m benchmarks.preprocess FOLDER...           processor time by size, over the pictures in these folders
python -m benchmarks.preprocess --worst             processor time of what costs the most
python -m benchmarks.preprocess --corpus FOLDER...  every glyph of every font below, through `prepare`: none may raise
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.pictures import photo as large_photo
from benchmarks.recipes import PHOTO_SIDE, as_file
from benchmarks.worst import FOUND, PICTURES
from service.preprocess import prepare, preprocess

SIZES = (32, 130, 400, 900, 2000)  # pixels: longer sides that part the table
FONT_SIZES = (5, 9, 16, 28, 64, 150, 400)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one of the tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.preprocess", description=__doc__.splitlines()[0])
    options.add_argument("folders", nargs="*", type=Path, help="folders with pictures, or with fonts")
    options.add_argument("--worst", action="store_true", help="the worst pictures, instead of people's")
    options.add_argument("--corpus", action="store_true", help="glyphs of the fonts in the folders, instead of times")
    options.add_argument("--seconds", type=float, default=60, help="time for the corpus (60)")
    chosen = options.parse_args(arguments)
    if chosen.corpus:
        try_corpus(chosen.folders, chosen.seconds)
    elif chosen.worst:
        print_worst()
    else:
        print_sizes(chosen.folders)


def print_sizes(folders: Sequence[Path]) -> None:
    """Time each file both ways, by turns, the least of five; print medians by the picture's longer side."""
    times: dict[int, list[tuple[float, float]]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            with Image.open(io.BytesIO(data)) as picture:
                side = max(picture.size)
        except OSError:
            continue
        place = sum(side > size for size in SIZES)
        times.setdefault(place, []).append(
            least(lambda data=data: with_pillow(data), lambda data=data: preprocess(data))
        )
    print("| longer side | pictures | Pillow | this | ratio |\n|---|---|---|---|---|")
    names = [f"up to {size}" for size in SIZES] + [f"over {SIZES[-1]}"]
    for place, both in sorted(times.items()):
        plain, ours = (1000 * statistics.median(one[way] for one in both) for way in (0, 1))
        ratio = statistics.median(one[1] / one[0] for one in both)
        print(f"| {names[place]} | {len(both)} | {plain:.2f} ms | {ours:.2f} ms | {ratio:.1f} |")


def with_pillow(data: bytes) -> Image.Image:
    """Do what most projects do: decode, grey, resize."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("L").resize((28, 28))


def least(*ways: Callable[[], object], rounds: int = 5) -> tuple[float, ...]:
    """Give the least processor time, in seconds, of each way over the rounds."""
    best = [float("inf")] * len(ways)
    for _ in range(rounds):
        for place, way in enumerate(ways):
            started = time.process_time()
            way()
            best[place] = min(best[place], time.process_time() - started)
    return tuple(best)


def print_worst() -> None:
    """Print the processor time of each worst picture beside a typical drawing and a typical photo, by side.

    First those that somebody thought of, then those that benchmarks/search.py found.
    """
    sides = (28, 100, 280, 640)
    pictures = {"a drawing": drawing, "a photo": photo} | PICTURES
    print(f"| picture | {' | '.join(map(str, sides))} |\n|---|{'---|' * len(sides)}")
    for name, make in pictures.items():
        files = [as_png(make(side)) for side in sides]
        cells = [f"{1000 * least(lambda data=data: preprocess(data))[0]:.1f} ms" for data in files]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print("\n| side | a drawing | a photo | found | its patterns | times a drawing |\n|---|---|---|---|---|---|")
    for recipe in FOUND:
        usual = large_photo() if recipe.side == PHOTO_SIDE else as_png(photo(recipe.side))
        files = (as_png(drawing(recipe.side)), usual, as_file(recipe))
        plain, lit, worst = (1000 * least(lambda data=data: preprocess(data), rounds=9)[0] for data in files)
        patterns = ", ".join(layer.kind for layer in recipe.layers)
        times = f"| {plain:.1f} ms | {lit:.1f} ms | {worst:.1f} ms"
        print(f"| {recipe.side} {times} | {patterns} | {worst / plain:.0f} |", flush=True)


def drawing(side: int) -> NDArray[np.uint8]:
    """Give a three, black on white."""
    page = Image.new("L", (4 * side, 4 * side), 255)
    brush = ImageDraw.Draw(page)
    brush.arc((1.2 * side, 0.6 * side, 2.8 * side, 2.0 * side), 180, 90, 0, max(1, side // 4))
    brush.arc((1.2 * side, 2.0 * side, 2.8 * side, 3.4 * side), 270, 180, 0, max(1, side // 4))
    return np.asarray(page.reduce(4))


def photo(side: int) -> NDArray[np.uint8]:
    """Give the same on unevenly lit, grainy paper."""
    light = np.linspace(1, 0.6, side)[None, :]
    page = (60 + drawing(side) * (150 / 255)) * light
    return (page + np.random.default_rng(0).normal(0, 2, page.shape)).clip(0, 255).astype(np.uint8)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def try_corpus(folders: Sequence[Path], seconds: float) -> None:
    """Prepare glyphs of fonts, in both polarities, cut and blurred, until the time is over; say what raised."""
    fonts = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix in (".ttf", ".otf", ".pfb", ".woff")
    )
    started, count, faults = time.monotonic(), 0, 0
    for picture, name in glyphs(fonts, np.random.default_rng(0)):
        try:
            prepare(picture)
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
            faults += 1
            print(f"{name}: {type(error).__name__}: {error}")
        count += 1
        if time.monotonic() - started > seconds:
            break
    print(f"{count} pictures of {len(fonts)} fonts, {faults} raised")


def glyphs(fonts: Sequence[Path], rng: np.random.Generator) -> Iterator[tuple[NDArray[np.uint8], str]]:
    """Draw characters of chance from fonts of chance, without end."""
    while fonts:
        path, size = fonts[rng.integers(len(fonts))], int(rng.choice(FONT_SIZES))
        try:
            font = ImageFont.truetype(str(path), size)
        except OSError:
            continue
        code = int(rng.choice([rng.integers(33, 600), rng.integers(0x2000, 0x2C00), rng.integers(0xE000, 0xF900)]))
        side = int(rng.integers(1, 2 * size + 2))
        page = Image.new("L", (side, int(rng.integers(1, 2 * size + 2))), int(rng.integers(0, 256)))
        middle = (page.width * rng.uniform(0.2, 0.8), page.height * rng.uniform(0.2, 0.8))
        try:
            ImageDraw.Draw(page).text(middle, chr(code), fill=int(rng.integers(0, 256)), font=font, anchor="mm")
        except (OSError, ValueError, RuntimeError):  # not every glyph of every font can be drawn
            continue
        if rng.random() < 0.3:
            page = page.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
        yield np.asarray(page), f"{path.name} U+{code:04X} at {size}, {page.size}"


if __name__ == "__main__":
    main()
