"""The layouts and number types in which callers may write images, and how they become the network's uint8."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from service.errors import RequestError

TYPES: Final[dict[str, np.dtype[Any]]] = {
    "UINT8": np.dtype(np.uint8),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP32": np.dtype("<f4"),
}
"""Open Inference's names of the number types; the first is the one that the metadata names."""
DATA: Final = "the data of 'images'"
EXPECTED: Final = "expected whole numbers from 0 to 255, 0 background and 255 ink"


@cache
def layouts(image_shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of one image that are taken; the first is the one that the metadata names.

    All have the pixels in the same order, so that any is the network's without a copy.
    """
    return (image_shape, (1, *image_shape), (*image_shape, 1), (math.prod(image_shape),))


def to_uint8(values: NDArray[Any], *, is_float: bool, of: str = DATA) -> NDArray[np.uint8]:
    """Return pixels as uint8, in the shape that they have.

    Args:
        values: at least one, of any dtype.
        is_float: the caller calls them floating point numbers. Then 0 to 1 is ambiguous even where all are whole:
            1 could be full ink, or next to none.
        of: what an error calls them.

    Raises:
        RequestError: they are no whole numbers from 0 to 255, or ambiguous.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind not in "iuf":
        raise RequestError(f"{of} must be numbers; {EXPECTED}")
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 255):  # not the other way round: NaN is neither
        raise RequestError(f"{of} runs from {low} to {high}; {EXPECTED}")
    whole: NDArray[np.uint8] = values.astype(np.uint8)
    has_fractions = values.dtype.kind == "f" and not (whole == values).all()
    if 0 < high <= 1 and (is_float or has_fractions):
        raise RequestError(
            f"{of} lies between 0 and 1, which is ambiguous: full ink may be 1 or 255; "
            f"{EXPECTED}: multiply by 255 and round, or send integers"
        )
    if has_fractions:
        raise RequestError(f"{of} has fractions in it, such as {values[whole != values][0]}; {EXPECTED}: round them")
    return whole


def from_nested(data: Any, of: str = DATA) -> NDArray[Any]:
    """Return nested lists, as JSON has them, as an array of whatever dtype; `of` is what an error calls them.

    Raises:
        RequestError: the lists are not regular, or nested too deep.
    """
    try:
        return np.array(data)
    except (ValueError, RecursionError, OverflowError) as error:
        raise RequestError(f"{of} is not a regular array ({str(error)[:100]})") from error
