"""A pool of synthetic pictures, each already brought to 28x28 by the preprocessing that serves.

The network must learn what preprocessing leaves over, so the very code that serves makes its training pictures. That
costs about 10 ms a picture, too much for every epoch: they are made once and kept. This module needs no torch, because
its worker processes import it.
"""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from service import preprocess
from service.preprocess import prepare
from training.errors import DataError
from training.synth.pictures import OTHER_KINDS, synthesise_grey

logger = logging.getLogger(__name__)

# The label of a picture that shows no single digit.
NO_DIGIT: Final = 10

CHUNK: Final = 100
PHOTOS: Final = (
    *("photo", "photo_shadow", "photo_hard_shadow", "photo_pencil", "photo_lined", "photo_grid", "photo_rings"),
    *("photo_table", "photo_small", "photo_rotated"),
)
CANVASES: Final = (
    *("canvas", "canvas_mouse", "canvas_thumb", "canvas_small", "canvas_corner", "canvas_edge", "canvas_28"),
    *("canvas_palette", "canvas_tight"),
)
FORMS: Final = ("form", "form_comb", "scan_cmyk")
TIGHT: Final = ("usps", "semeion")
HARD: Final = ("thin", "reduced", "soft_marker", "out_of_focus", "chalk", "marker", "faint")

Images = NDArray[np.uint8]
Made = tuple[Images, NDArray[np.bool_]]
AnyTask = TypeVar("AnyTask", bound="Task")


@dataclass(frozen=True)
class PoolPlan:
    """How many pictures to make of each kind; `printed` is left out, because only handwriting is trained on."""

    photo: int = 900
    canvas: int = 800
    form: int = 2000
    tight: int = 4000
    hard: int = 500
    other: int = 1200
    seed: int = 0

    def counts(self) -> dict[str, int]:
        """Return the number of pictures by kind."""
        groups = (
            (PHOTOS, self.photo),
            (CANVASES, self.canvas),
            (FORMS, self.form),
            (TIGHT, self.tight),
            (HARD, self.hard),
        )
        counts = {kind: count for kinds, count in groups for kind in kinds}
        return counts | dict.fromkeys(OTHER_KINDS, self.other)


# For choosing thresholds, from digits held out of training.
VALIDATION_PLAN: Final = PoolPlan(photo=60, canvas=60, form=200, tight=400, hard=60, other=200, seed=1)

# For the model card, from the digits of the test set.
TEST_PLAN: Final = PoolPlan(photo=60, canvas=60, form=200, tight=400, hard=60, other=200, seed=2)


@dataclass(frozen=True)
class Pool:
    """Prepared pictures: `images` uint8 `[N, 28, 28]`, `labels` int64 `[N]` (0..9 or NO_DIGIT), `kinds` str `[N]`.

    `rejected` bool `[N]` marks pictures that preprocessing itself turned down (blank, several digits).
    """

    images: Images
    labels: NDArray[np.int64]
    kinds: NDArray[np.str_]
    rejected: NDArray[np.bool_]


def load_pool(images: Images, labels: NDArray[np.int64], plan: PoolPlan, folder: Path, workers: int) -> Pool:
    """Read the pool of these digits from a folder, or make it and keep it there.

    The file's name is a hash of digits, plan and the code that makes and prepares pictures, so a stale one is not used.

    Raises:
        DataError: the kept file is damaged.
    """
    images = np.ascontiguousarray(images)
    path = folder / f"pool-{_key(images, labels, plan)[:16]}.npz"
    return kept(path, sum(plan.counts().values()), lambda: make_pool(images, labels, plan, workers))


def kept(path: Path, pictures: int, make: Callable[[], Pool]) -> Pool:
    """Read a pool of so many pictures from a file, or make it and keep it there.

    Raises:
        DataError: the kept file is damaged.
    """
    if not path.exists():
        logger.info("making %d synthetic pictures, once, into %s", pictures, path)
        pool = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new.npz")
        np.savez(temporary, images=pool.images, labels=pool.labels, kinds=pool.kinds, rejected=pool.rejected)
        temporary.replace(path)
    try:
        with np.load(path) as file:
            return Pool(file["images"], file["labels"], file["kinds"], file["rejected"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path} ({error}); delete it, and it will be made again.") from error


def make_pool(images: Images, labels: NDArray[np.int64], plan: PoolPlan, workers: int) -> Pool:
    """Make a pool; the same digits, plan and code give the same pictures, whatever the number of workers."""
    return run_tasks(_make, list(_tasks(images, labels, plan)), workers)


class Task(Protocol):
    """A part of a pool, small enough to be sent to a worker: `kind` names it, `labels` int64 `[N]` are the classes."""

    @property
    def kind(self) -> str:
        """What the pool calls these pictures."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes of what they show, int64 [N]."""


def run_tasks(make: Callable[[AnyTask], Made], tasks: Sequence[AnyTask], workers: int) -> Pool:
    """Make each part in a worker process, and put them together in order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as executor:
        parts = list(tqdm(executor.map(make, tasks), total=len(tasks), desc="pictures", unit="hundred"))
    kinds = [task.kind for task in tasks for _ in task.labels]
    return Pool(
        images=np.concatenate([images for images, _ in parts]),
        labels=np.concatenate([_pool_labels(task) for task in tasks]),
        kinds=np.array(kinds, dtype=np.str_),
        rejected=np.concatenate([rejected for _, rejected in parts]),
    )


@dataclass(frozen=True)
class _Task:
    kind: str
    place: int
    seed: int
    images: Images
    labels: NDArray[np.int64]


def _tasks(images: Images, labels: NDArray[np.int64], plan: PoolPlan) -> Iterator[_Task]:
    for number, (kind, count) in enumerate(plan.counts().items()):
        chosen = np.random.default_rng((plan.seed, number)).integers(0, len(images), count)
        for place in range(0, count, CHUNK):
            part = chosen[place : place + CHUNK]
            yield _Task(kind, place, plan.seed, images[part], labels[part])


def _make(task: _Task) -> Made:
    kind_number = int.from_bytes(hashlib.sha256(task.kind.encode()).digest()[:4])
    rng = np.random.default_rng((task.seed, kind_number, task.place))
    made = [
        prepare(synthesise_grey(task.kind, image, int(label), rng))
        for image, label in zip(task.images, task.labels, strict=True)
    ]
    images = np.stack([prepared.image for prepared in made])
    return images, np.array([prepared.rejected is not None for prepared in made])


def _pool_labels(task: Task) -> NDArray[np.int64]:
    return np.full(len(task.labels), NO_DIGIT) if task.kind in OTHER_KINDS else task.labels


def _key(images: Images, labels: NDArray[np.int64], plan: PoolPlan) -> str:
    digest = hashlib.sha256(repr(plan).encode())
    digest.update(images.tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    digest.update(code_digest())
    return digest.hexdigest()


def code_digest() -> bytes:
    """Hash the code that makes and prepares pictures."""
    folders = (Path(preprocess.__file__).parent, Path(__file__).parent)
    sources = (path for folder in folders for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).digest()
