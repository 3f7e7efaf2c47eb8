"""Eight bits for weights and activations: the exported graph with its convolutions and affine layers in integers."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

# Pictures whose activations fix the ranges; with a tenth of them the answers hardly change.
CALIBRATION: Final = 1_000
OPERATORS: Final = ["Conv", "Gemm", "MaxPool"]


class Pictures(CalibrationDataReader):  # type: ignore[misc]
    """Hands pictures to the calibration, uint8 [N, 28, 28], a few at a time."""

    def __init__(self, images_u8: NDArray[np.uint8], at_once: int = 50) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = iter(
            [images_u8[place : place + at_once] for place in range(0, len(images_u8), at_once)]
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch under the graph's input name, or None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def quantise(model: bytes, images_u8: NDArray[np.uint8]) -> bytes:
    """Return the model in QDQ form, which every ONNX Runtime provider turns into integer arithmetic where it can.

    Weights are signed with one scale for each output channel, activations unsigned; both ranges are those seen on
    `images_u8`, uint8 [N, 28, 28].
    """
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary) / "float.onnx", Path(temporary) / "int8.onnx"
        source.write_bytes(model)
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # its advice to preprocess is for graphs that were not exported as ours is
        try:
            quantize_static(
                source,
                target,
                Pictures(images_u8),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            root.setLevel(level)
        return target.read_bytes()
