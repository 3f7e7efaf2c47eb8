"""Triton's classification extension: an output as its best classes, each written as `value:index:label`.

Source: Triton's "Classification Extension"; the values have six decimals, as Triton's server writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.api.tensors import shown
from service.errors import RequestError

PARAMETER: Final = "classification"
"""Of a requested output; clients call it class_count."""
SCORES: Final = ("probabilities", "logits")


def class_count(value: object, output: str) -> int:
    """Read the parameter; 0 asks for the tensor itself.

    Raises:
        RequestError: it is no whole number of 0 or more, or the output has no classes to choose from.
    """
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise RequestError(f"{PARAMETER!r} is {shown(value)}, expected how many classes are wanted, such as 3")
    if value and output not in SCORES:
        raise RequestError(
            f"output {output[:100]!r} has no scores to choose the best {value} classes by; "
            f"ask for class_count of {' or '.join(map(repr, SCORES))}"
        )
    return value


def best_classes(scores: NDArray[Any], count: int, labels: Sequence[str]) -> NDArray[Any]:
    """Return the best classes of each row, best first, of equals the lower index.

    Args:
        scores: float [N, classes].
        count: how many; as many as there are, where that is fewer, as Triton has it.
        labels: of the classes.

    Returns:
        Text [N, count] of dtype object.
    """
    places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    rows = [
        [f"{row[place]:f}:{place}:{labels[place]}" for place in best]
        for row, best in zip(scores.tolist(), places.tolist(), strict=True)
    ]
    return np.array(rows, object).reshape(places.shape)
