"""An explanation of one image, and its JSON form."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NotRequired

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import TypedDict


class PackedTensor(TypedDict):
    """An array in C order; where `dtype` is uint8, the numbers are `scale` times the bytes."""

    shape: list[int]
    dtype: Literal["uint8", "float32"]
    scale: NotRequired[float]
    data: Annotated[str, Field(description="base64; float32 is little-endian")]


class OcclusionContent(TypedDict):
    """Squares that were hidden in turn."""

    patch: Annotated[int, Field(description="side of the square that is hidden, in pixels")]
    stride: Annotated[int, Field(description="pixels from one square to the next")]
    drop: Annotated[
        list[list[float]], Field(description="by how much the winner's probability falls when that place is hidden")
    ]


class ExplanationContent(TypedDict):
    """An explanation as JSON."""

    input: Annotated[PackedTensor, Field(description="what the network saw: 0 background, 255 ink")]
    input_range: Annotated[
        list[float], Field(description="what it calculates with where a pixel is 0 and where it is 255")
    ]
    probabilities: Annotated[
        list[float], Field(description="of this one pass; an unclear picture's `prediction` is the mean of nine")
    ]
    labels: Annotated[list[str], Field(description="what the classes are called")]
    maps: Annotated[
        dict[str, PackedTensor], Field(description="by layer, after ReLU or pooling: channels, height, width")
    ]
    weights: Annotated[
        dict[str, PackedTensor],
        Field(description="kernels (out, in, height, width) and biases of both convolutions"),
    ]
    occlusion: OcclusionContent


@dataclass(frozen=True)
class Explanation:
    """All that one image does to the network.

    Attributes:
        image: uint8 [28, 28], what the network saw; 0 background, 255 ink.
        probabilities: float32 [classes], of this one pass.
        labels: what the classes are called.
        maps: by layer, float32 [channels, height, width], after ReLU or after pooling; fc1 is float32 [features].
        weights: by name, float32: kernels [out, in, height, width] and biases [out] of both convolutions.
        input_range: the numbers that the network calculates with where a pixel is 0 and where it is 255.
        occlusion: float32 [rows, columns], by how much the winner's probability falls when the patch around that
            place is blanked; negative where hiding it helps the winner.
        patch: its side, and the distance from one to the next, in pixels.
    """

    image: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    labels: tuple[str, ...]
    maps: Mapping[str, NDArray[np.float32]]
    weights: Mapping[str, NDArray[np.float32]]
    input_range: tuple[float, float]
    occlusion: NDArray[np.float32]
    patch: tuple[int, int]

    def to_json_dict(self) -> ExplanationContent:
        """Return it as JSON types, about 50 KB: arrays are base64, maps in 8 bits of their maximum, weights exact."""
        patch, stride = self.patch
        return {
            "input": _bytes(self.image, scale=1.0),
            "input_range": list(self.input_range),
            "probabilities": [round(float(p), 6) for p in self.probabilities],
            "labels": list(self.labels),
            "maps": {name: _quantised(values) for name, values in self.maps.items()},
            "weights": {name: _floats(values) for name, values in self.weights.items()},
            "occlusion": {"patch": patch, "stride": stride, "drop": np.round(self.occlusion, 4).tolist()},
        }


def _quantised(values: NDArray[np.float32]) -> PackedTensor:
    """Round values, which are never negative behind a ReLU, to 255ths of their maximum."""
    scale = float(values.max()) / 255 or 1.0
    return _bytes(np.rint(values / scale).astype(np.uint8), scale)


def _bytes(values: NDArray[np.uint8], scale: float) -> PackedTensor:
    data = base64.b64encode(values.tobytes()).decode("ascii")
    return {"shape": list(values.shape), "dtype": "uint8", "scale": round(scale, 9), "data": data}


def _floats(values: NDArray[np.float32]) -> PackedTensor:
    data = base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")
    return {"shape": list(values.shape), "dtype": "float32", "data": data}
