"""The validation pictures: real digits and signs, never trained on, by which recipes and thresholds are chosen.

A picture's kind is "source|country|way", such as "unipen_digits|Germany|photo"; country and way may be empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.contract import SUFFIXES
from service.preprocess import prepare, preprocess
from training.data.hands import Signs
from training.synth.drawing import cut_to_ink
from training.synth.mixture import drawing_of, label_of, usable
from training.synth.pictures import render
from training.synth.pool import CHUNK, Made, Pool, code_digest, kept, run_tasks

DRAWN: Final = "drawn"
"""Folder below the data folder with `<source>/<digit>/<file>`: whole pictures as people send them."""

WAYS: Final = ("canvas", "canvas", "canvas_28", "photo")
"""How pens, which are no pictures, are written: each sign in one of these, by its place in the file."""

UNKNOWN: Final = {"unipen_digits": "Spain, Greece"}
"""What the countries are that a file leaves empty."""


def load_validation(hands: Mapping[str, Signs], data: Path, folder: Path, workers: int) -> Pool:
    """Prepare all validation pictures, once, and keep them in a folder."""
    tasks = [*(task for signs in hands.values() for task in _of_signs(signs)), *_of_files(data / DRAWN)]
    digest = hashlib.sha256(Path(__file__).read_bytes() + code_digest())
    for signs in hands.values():
        digest.update(signs.sha256.encode())
    digest.update(repr([task.files for task in tasks if task.files]).encode())
    path = folder / f"validation-{digest.hexdigest()[:16]}.npz"
    pool = kept(path, sum(len(task.labels) for task in tasks), lambda: run_tasks(_make, tasks, workers))
    kinds = np.array([kind for task in tasks for kind in task.kinds])
    return Pool(pool.images, pool.labels, kinds, pool.rejected)


@dataclass(frozen=True)
class _Task:
    """Some signs of a file, or some picture files; each has a kind of its own."""

    kind: str
    labels: NDArray[np.int64]
    kinds: tuple[str, ...]
    places: tuple[int, ...] = ()
    signs: Signs | None = None
    files: tuple[Path, ...] = ()


def _of_signs(signs: Signs) -> list[_Task]:
    source = signs.source.name.rpartition("_")[0]
    places = usable(signs)
    tasks = []
    for start in range(0, len(places), CHUNK):
        part = tuple(places[start : start + CHUNK].tolist())
        labels = np.array([label_of(str(signs.labels[place])) for place in part], np.int64)
        kinds = tuple(_kind(signs, source, place) for place in part)
        tasks.append(_Task(source, labels, kinds, part, signs))
    return tasks


def _kind(signs: Signs, source: str, place: int) -> str:
    if signs.images is not None:
        which = "digits" if signs.labels[place].isdecimal() else "letters"
        return f"{source}{f' {which}' if source == 'chars74k' else ''}||"
    country = str(signs.countries[place]) or UNKNOWN.get(source, "")
    return f"{source}|{country if source in UNKNOWN else ''}|{WAYS[place % len(WAYS)]}"


def _of_files(folder: Path) -> list[_Task]:
    paths = [path for path in sorted(folder.glob("*/[0-9]/*")) if path.suffix.lower() in SUFFIXES]
    tasks = []
    for start in range(0, len(paths), CHUNK):
        part = tuple(paths[start : start + CHUNK])
        labels = np.array([int(path.parent.name) for path in part], np.int64)
        tasks.append(_Task(DRAWN, labels, tuple(f"{path.parent.parent.name}||" for path in part), files=part))
    return tasks


def _make(task: _Task) -> Made:
    if task.signs is None:
        made = [preprocess(path.read_bytes()) for path in task.files]
    else:
        made = [prepare(np.ascontiguousarray(_picture(task.signs, place))) for place in task.places]
    return np.stack([each.image for each in made]), np.array([each.rejected is not None for each in made])


def _picture(signs: Signs, place: int) -> NDArray[np.uint8]:
    """Make the picture of a sign, uint8 [H, W]: always the same."""
    rng = np.random.default_rng(place)
    if signs.images is None:
        return render(WAYS[place % len(WAYS)], drawing_of(signs, place, rng, habits=False), rng)
    pixels = signs.images[place]
    if signs.source.ink:
        pixels = np.pad(cut_to_ink(255 - pixels if signs.source.dark else pixels), 3)
        pixels = pixels if place % 2 else np.subtract(255, pixels, dtype=np.uint8)
    factor = (1, 4, 2)[place % 3]
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
