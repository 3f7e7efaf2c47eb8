"""Test-time augmentation of unclear images: the network sees them again, shifted by one pixel each way.

Max-pooling makes the logits depend on where a stroke lies in the pooling windows; the mean over nine shifts does not.
It corrects about one wrong answer in twelve on other people's handwriting (docs/lab/recipes.md).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final

import numpy as np

from service.model.session import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From this confidence on one pass is enough; 0.95 and 0.99 gain nothing more.
SURE: Final = 0.9
# Where to, in pixels.
MOVES: Final = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


def looks(
    images_u8: NDArray[np.uint8], settled: NDArray[np.bool_] | None = None, at_once: int = 64
) -> Generator[NDArray[np.uint8], Outputs, Outputs]:
    """Classify uint8 images [N, 28, 28] as a generator: yield images for the network, receive its outputs.

    This is all that a plain call and a waiting one share. The first yield is the images themselves; each further one
    holds copies of at most `at_once` doubtful images.

    Args:
        images_u8: N ≥ 1 images.
        settled: bool [N], true where another look is not wanted, because the answer is known already.
        at_once: images whose copies are asked for together, so that a large request leaves gaps for others.

    Returns:
        Outputs [N, classes]: one pass, or the mean of nine.
    """
    first = yield images_u8
    doubtful = find_doubtful(first)
    if settled is not None and len(doubtful):
        doubtful = doubtful[~settled[doubtful]]
    if not len(doubtful):
        return first
    parts = []
    for start in range(0, len(doubtful), at_once):
        part = doubtful[start : start + at_once]
        again = yield moved(images_u8[part])
        parts.append(average(first.logits[part], again.logits))
    return merge(first, doubtful, Outputs(*(np.concatenate(rows) for rows in zip(*parts, strict=True))))


def look_twice(
    run: Callable[[NDArray[np.uint8]], Outputs],
    images_u8: NDArray[np.uint8],
    settled: NDArray[np.bool_] | None = None,
) -> Outputs:
    """Classify uint8 images [N, 28, 28] with `run`, which is one pass; see `looks`."""
    steps = looks(images_u8, settled, at_once=max(1, len(images_u8)))
    wanted = next(steps)
    while True:
        try:
            wanted = steps.send(run(wanted))
        except StopIteration as done:
            outputs: Outputs = done.value
            return outputs


def find_doubtful(first: Outputs) -> NDArray[np.intp]:
    """Return the indices, int64 [K], of the images that need a second pass."""
    return np.flatnonzero(first.probabilities.max(axis=1) < SURE)


def moved(images_u8: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return copies uint8 [8 K, 28, 28] of images [K, 28, 28], move by move; what leaves is lost, 0 comes in."""
    _, height, width = images_u8.shape
    padded = np.pad(images_u8, ((0, 0), (1, 1), (1, 1)))
    return np.concatenate([padded[:, 1 - down :, 1 - right :][:, :height, :width] for down, right in MOVES])


def average(first: NDArray[np.float32], again: NDArray[np.float32]) -> Outputs:
    """Average the logits of K images, [K, classes], and of their copies, [8 K, classes] in the order of `moved`."""
    copies = again.reshape(len(MOVES), len(first), -1)
    mean = (first + copies.sum(axis=0)) / np.float32(1 + len(MOVES))
    powers = np.exp(mean - mean.max(axis=1, keepdims=True))
    return Outputs(mean, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32, copy=False))


def merge(first: Outputs, places: NDArray[np.intp], again: Outputs) -> Outputs:
    """Return the first pass over N images with its rows at `places`, int64 [K], replaced by those of `again`."""
    logits, probabilities = first.logits.copy(), first.probabilities.copy()
    logits[places], probabilities[places] = again
    return Outputs(logits, probabilities)
