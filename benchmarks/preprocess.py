"""What the preprocessing costs, as ratios to a plain decode, and what each of its steps is worth.

python -m benchmarks.preprocess                     times
python -m benchmarks.preprocess --variants --data D accuracy by group of kinds, with one step changed at a time
"""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.timing import fastest
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import Prepared, decode_grey, digit, ink, normalise, pipeline, prepare, preprocess
from training.data.mnist import load_mnist, split
from training.learn.recipes import RECIPES
from training.synth.pictures import DIGIT_KINDS, synthesise_grey

Grey = NDArray[np.uint8]
Case = tuple[str, int, Grey]  # group, label, picture
SAME = ("mnist", "photo_rotated", "canvas_alpha", "canvas_palette", "canvas_16_bit")  # say nothing new once decoded


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one of the two tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.preprocess", description=__doc__.splitlines()[0])
    options.add_argument("--variants", action="store_true", help="what each step is worth, instead of times")
    options.add_argument("--data", type=Path, default=Path("data"), help="folder with MNIST/raw (default: data)")
    options.add_argument("--drawn", type=Path, help="folder of <set>/<label>/<file> to judge on too")
    options.add_argument("--model", type=Path, default=Path("models/digits"), help="(models/digits)")
    options.add_argument("--count", type=int, default=25, help="pictures of each kind (25)")
    chosen = options.parse_args(arguments)
    if chosen.variants:
        print_variants(chosen.data, chosen.drawn, chosen.model, chosen.count)
    else:
        print_times()


def print_times() -> None:
    """Time whole files and plain Pillow decodes of them by turns; milliseconds of one core and their ratio."""
    files = {"28x28 PNG": small_png(), "12-megapixel JPEG": large_jpeg()}
    calls: dict[str, Callable[[], Any]] = {}
    for name, data in files.items():
        calls |= {f"{name}, plain": lambda data=data: np.asarray(Image.open(io.BytesIO(data)).convert("L"))}
        calls |= {f"{name}, decode": lambda data=data: decode_grey(data), name: lambda data=data: preprocess(data)}
    times = asyncio.run(fastest(calls, 20))
    print("| file | plain decode | our decode | all of it | ratio to plain |\n|---|---|---|---|---|")
    for name in files:
        plain, decode, whole = (times[key] / 1000 for key in (f"{name}, plain", f"{name}, decode", name))
        print(f"| {name} | {plain:.3f} ms | {decode:.3f} ms | {whole:.3f} ms | {whole / plain:.2f} |")


def small_png() -> bytes:
    """Give a file in MNIST's layout."""
    picture = Image.new("L", (28, 28))
    picture.paste(255, (12, 4, 16, 24))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def large_jpeg() -> bytes:
    """Give a photo of a stroke on unevenly lit, grainy paper, 4000 x 3000."""
    rng = np.random.default_rng(0)
    light = 225 - 80 * np.linspace(0, 1, 4000, dtype=np.float32)[None, :] * np.ones((3000, 1), np.float32)
    light[900:2200, 1900:2050] *= 0.3
    light[900:1050, 1500:2050] *= 0.3
    page = np.clip(light + rng.normal(0, 2.2, light.shape), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(page).convert("RGB").save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def print_variants(data: Path, drawn: Path | None, model: Path, count: int) -> None:
    """Judge the shipped network on the same pictures, with one step changed at a time."""
    cases = [*made_up(data, count), *(real(drawn) if drawn else ())]
    groups = list(dict.fromkeys(group for group, _, _ in cases))
    session = DigitSession(load_artifact(model), "cpu")
    print(f"| change | {' | '.join(groups)} |\n|---|{'---|' * len(groups)}")
    for name, change in VARIANTS.items():
        with change() as way:
            prepared = [way(grey) for _, _, grey in cases]
        answers = session.run(np.stack([one.image for one in prepared])).logits.argmax(1)
        right = np.array(
            [
                one.rejected is None and said == label
                for one, said, (_, label, _) in zip(prepared, answers, cases, strict=True)
            ]
        )
        shares = [100 * right[[case[0] == group for case in cases]].mean() for group in groups]
        print(f"| {name} | {' | '.join(f'{share:.1f}' for share in shares)} |", flush=True)


def made_up(data: Path, count: int) -> Iterator[Case]:
    """Make `count` pictures of each kind from the digits that are held out of training, the same every time."""
    _, digits = split(load_mnist(data, train=True), RECIPES["best"].validation_images)
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for kind in DIGIT_KINDS:
        rng = np.random.default_rng(7)
        for place in range(count if kind not in SAME else 0):
            group = {"scan": "form", "usps": "16x16", "semeion": "16x16"}.get(kind.split("_")[0], kind.split("_")[0])
            yield group, int(labels[place]), synthesise_grey(kind, images[place], int(labels[place]), rng)


def real(folder: Path) -> Iterator[Case]:
    """Read every picture of <set>/<label>/<file>."""
    for path in sorted(folder.glob("*/[0-9]/*")):
        yield path.parent.parent.name, int(path.parent.name), decode_grey(path.read_bytes())


@contextmanager
def replaced(module: ModuleType | type, **names: Any) -> Iterator[Callable[[Grey], Prepared]]:
    """Put something else in the place of names of a module, for a while."""
    before = {name: getattr(module, name) for name in names}
    for name, value in names.items():
        setattr(module, name, value)
    try:
        yield prepare
    finally:
        for name, value in before.items():
            setattr(module, name, value)


@contextmanager
def instead(way: Callable[[Grey], Prepared]) -> Iterator[Callable[[Grey], Prepared]]:
    """Prepare pictures in another way altogether."""
    yield way


def plain(grey: Grey, *, invert: bool) -> Prepared:
    """Do what most projects do: grey, perhaps inverted, resized to 28 x 28."""
    small = Image.fromarray(grey).resize((28, 28), Image.Resampling.BOX)
    return Prepared(255 - np.asarray(small) if invert else np.asarray(small))


def without_lines(mask: NDArray[np.bool_], *_: Grey, **__: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Leave every line in."""
    return mask, np.zeros_like(mask)


def strongest_is_full(strength: Grey) -> Grey:
    """Scale ink as a whole, so that light pressure stays lighter than heavy."""
    return (strength * (255 / max(1, int(strength.max())))).astype(np.uint8)


def deslanted(image: Grey) -> Grey:
    """Shear an image until its second moments stand upright."""
    rows, columns = np.mgrid[0:28, 0:28]
    weights = image / max(1, image.sum())
    row, column = (rows * weights).sum(), (columns * weights).sum()
    slant = ((rows - row) * (columns - column) * weights).sum() / max(1e-6, ((rows - row) ** 2 * weights).sum())
    picture = Image.fromarray(image)
    return np.asarray(
        picture.transform(
            (28, 28), Image.Transform.AFFINE, (1, slant, -slant * row, 0, 1, 0), Image.Resampling.BILINEAR
        )
    )


_normalise = normalise.normalise
VARIANTS: dict[str, Callable[[], Any]] = {
    "resize to 28x28": lambda: instead(lambda grey: plain(grey, invert=False)),
    "inverted, resize to 28x28": lambda: instead(lambda grey: plain(grey, invert=True)),
    "**as it is**": lambda: instead(prepare),
    "rulings stay": lambda: replaced(digit, without_rulings=without_lines),
    "wide window only": lambda: replaced(ink, NARROW=ink.WIDE),
    "narrow window only": lambda: replaced(ink, WIDE=ink.NARROW),
    "no vote for tight crops": lambda: replaced(ink, _cut_tight=lambda grey, border: None),  # noqa: ARG005
    "small pictures as large ones": lambda: replaced(pipeline, read_thumbnail=lambda grey: None),  # noqa: ARG005
    "stroke width left alone": lambda: replaced(normalise, THINNEST=0.0, THICKEST=99.0),
    "all strokes to one width": lambda: replaced(normalise, THINNEST=10.0, THICKEST=10.0),
    "pressure left alone": lambda: replaced(digit, _even_ink=strongest_is_full),
    "one piece only": lambda: replaced(digit, _parts=lambda pieces, main: np.arange(len(pieces)) == main),
    "steepness ignored": lambda: replaced(digit, SHARP=0.0),
    "deslanted": lambda: replaced(pipeline, normalise=lambda alpha: deslanted(_normalise(alpha))),
}

if __name__ == "__main__":
    main()
