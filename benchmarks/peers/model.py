"""The model as every peer runs it: $BENCH_MODEL in ONNX Runtime on one CPU thread."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

SIDE = 28


class Model:
    """An open session, the decoding that any tutorial shows, and the answer."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, images_u8: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify uint8 [N, 28, 28]; float32 [N, 10]."""
        found: NDArray[np.float32] = self._session.run(["probabilities"], {"images": images_u8})[0]
        return found

    def digits(self, data: bytes) -> list[int]:
        """Classify raw pixels, N × 784 bytes."""
        pixels = np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE)
        return [int(digit) for digit in self.probabilities(pixels).argmax(1)]

    def answer(self, picture: Image.Image) -> dict[str, Any]:
        """Classify one picture of any size: to grey, squeezed to 28 × 28."""
        grey = picture.convert("L")
        if grey.size != (SIDE, SIDE):
            grey = grey.resize((SIDE, SIDE))
        row = self.probabilities(np.asarray(grey)[np.newaxis])[0]
        digit = int(row.argmax())
        return {"digit": digit, "confidence": float(row[digit]), "probabilities": row.tolist()}

    def answer_file(self, data: bytes) -> dict[str, Any]:
        """Decode one picture file and classify it."""
        return self.answer(Image.open(io.BytesIO(data)))
