"""Pictures of real handwriting: each sign drawn, photographed, scanned or unchanged, and prepared as in a request.

Made once and kept, like the pool of MNIST's digits (training/synth/pool.py); worker processes import it, so no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.preprocess import prepare
from training.data.hands import Signs
from training.data.sources import is_lookalike
from training.synth.drawing import Drawing, PenSign, SmallPicture, cut_to_ink
from training.synth.pictures import render
from training.synth.pool import CHUNK, NO_DIGIT, Pool, code_digest, kept, run_tasks

Rng = np.random.Generator
Images = NDArray[np.uint8]

SHARES: dict[str, float] = {
    "canvas": 0.13,
    "canvas_28": 0.13,
    "canvas_mouse": 0.07,
    "canvas_thumb": 0.06,
    "canvas_small": 0.03,
    "canvas_edge": 0.04,
    "canvas_tight": 0.10,
    "thin": 0.03,
    "photo": 0.07,
    "photo_shadow": 0.03,
    "photo_pencil": 0.03,
    "photo_lined": 0.02,
    "photo_grid": 0.02,
    "form": 0.04,
    "usps": 0.05,
    "semeion": 0.05,
    "chalk": 0.03,
    "marker": 0.02,
    "faint": 0.03,
    "reduced": 0.04,
    "soft_marker": 0.03,
    "out_of_focus": 0.03,
}
"""How often a sign is written in which way, relative to each other."""

SMALL: Final = 20  # pixels; a picture up to this size is the kind that people send as it is
AS_IT_IS: Final = (0.3, 0.12)  # the share of small and of larger pictures that is sent without being drawn anew


@dataclass(frozen=True)
class HandsPlan:
    """How many pictures to make of each sign of a file, on average."""

    unipen_digits: float = 1.3
    swiss: float = 0.5
    usps: float = 0.8
    optdigits: float = 1.0
    unipen_signs: float = 1.0
    omniglot: float = 0.8
    icons: float = 1.0
    doodles: float = 0.7
    patches: float = 2.0
    seed: int = 0

    def copies(self, name: str) -> float:
        """Return it for a file's name, such as "usps_train"."""
        return float(getattr(self, name.rpartition("_")[0]))


def load_hands_pool(hands: Mapping[str, Signs], plan: HandsPlan, folder: Path, workers: int) -> Pool:
    """Read the pool of these hands from a folder, or make it and keep it there; see `pool.load_pool`.

    The same hands, plan and code give the same pictures, whatever the number of workers.
    """
    digest = hashlib.sha256(repr(plan).encode() + code_digest())
    for signs in hands.values():
        digest.update(signs.sha256.encode())
    tasks = [task for signs in hands.values() for task in _tasks(signs, plan)]
    path = folder / f"hands-{digest.hexdigest()[:16]}.npz"
    return kept(path, sum(len(task.places) for task in tasks), lambda: run_tasks(_make, tasks, workers))


def label_of(label: str) -> int:
    """Return the class of a sign's label: 0 to 9, else NO_DIGIT."""
    return int(label) if len(label) == 1 and label in "0123456789" else NO_DIGIT


def usable(signs: Signs) -> NDArray[np.intp]:
    """Return the places of the signs that are digits, or that nobody would take for one."""
    name = signs.source.name
    taken = [label_of(label) != NO_DIGIT or not is_lookalike(name, label) for label in signs.labels.tolist()]
    return np.flatnonzero(taken)


def drawing_of(signs: Signs, place: int, rng: Rng, *, habits: bool = True) -> Drawing:
    """Return one sign as something to write, digits at times as other people write them; photographs are none."""
    if signs.images is None:
        label = label_of(str(signs.labels[place]))
        return PenSign(signs.pens[place], label if habits and label != NO_DIGIT else None, rng)
    pixels = signs.images[place]
    return SmallPicture(cut_to_ink(255 - pixels if signs.source.dark else pixels), rng)


@dataclass(frozen=True)
class Task:
    """Up to CHUNK signs of one file, each with the seed of its own picture."""

    signs: Signs
    places: tuple[int, ...]
    copies: tuple[int, ...]
    seed: int

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes, int64 [N]."""
        return np.array([label_of(label) for label in self.signs.labels.tolist()], np.int64)[list(self.places)]

    @property
    def kind(self) -> str:
        """What the pool calls these pictures."""
        return self.signs.source.name.rpartition("_")[0]


def _tasks(signs: Signs, plan: HandsPlan) -> Iterator[Task]:
    places = usable(signs)
    copies = plan.copies(signs.source.name)
    rng = np.random.default_rng((plan.seed, len(places)))
    whole, part = int(copies), round((copies % 1) * len(places))
    chosen = np.concatenate([*[places] * whole, rng.permutation(places)[:part]])
    number = np.repeat(np.arange(whole + 1), [*[len(places)] * whole, part])
    for start in range(0, len(chosen), CHUNK):
        here, copy = chosen[start : start + CHUNK], number[start : start + CHUNK]
        yield Task(_only(signs, here), tuple(range(len(here))), tuple(copy.tolist()), plan.seed * 1_000_003 + start)


def _only(signs: Signs, places: NDArray[np.intp]) -> Signs:
    return dataclasses.replace(
        signs,
        labels=signs.labels[places],
        images=None if signs.images is None else signs.images[places],
        pens=[signs.pens[place] for place in places] if signs.pens else [],
        countries=signs.countries[places],
    )


def _make(task: Task) -> tuple[Images, NDArray[np.bool_]]:
    made = []
    for place, copy in zip(task.places, task.copies, strict=True):
        rng = np.random.default_rng((task.seed, place, copy))
        made.append(prepare(np.ascontiguousarray(picture(task.signs, place, rng))))
    return np.stack([each.image for each in made]), np.array([each.rejected is not None for each in made])


def picture(signs: Signs, place: int, rng: Rng) -> Images:
    """Make one picture of a sign, uint8 [H, W], in a way chosen at random."""
    pixels = None if signs.images is None else signs.images[place]
    if pixels is not None and not signs.source.ink:
        factor = rng.uniform(1, 5)
        size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    if pixels is not None and rng.random() < AS_IT_IS[max(pixels.shape) > SMALL]:
        return _as_it_is(cut_to_ink(255 - pixels if signs.source.dark else pixels), rng)
    kinds = list(SHARES)
    shares = np.array(list(SHARES.values()))
    return render(kinds[rng.choice(len(kinds), p=shares / shares.sum())], drawing_of(signs, place, rng), rng)


def _as_it_is(pixels: Images, rng: Rng) -> Images:
    """Send a small picture: with some margin, at times in two levels, at times enlarged, of either polarity."""
    pixels = np.pad(pixels, int(rng.integers(0, 4)))
    if rng.random() < 0.3:
        pixels = np.where(pixels > rng.uniform(80, 150), 255, 0).astype(np.uint8)
    if rng.random() < 0.3:
        factor = int(rng.integers(2, 6))
        way = Image.Resampling.NEAREST if rng.random() < 0.4 else Image.Resampling.BICUBIC
        size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
        pixels = np.asarray(Image.fromarray(pixels).resize(size, way))
    return pixels if rng.random() < 0.5 else 255 - pixels
