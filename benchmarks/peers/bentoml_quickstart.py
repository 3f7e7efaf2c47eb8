"""BentoML in the manner of its quick start: a picture API, and an API with adaptive batching."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import numpy as np
from PIL import Image

from benchmarks.peers.model import Model


@bentoml.service(workers=int(os.environ.get("BENCH_WORKERS", "1")))
class Quickstart:
    """The model behind two routes."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(route="/predict")
    async def predict(self, image: Image.Image) -> dict[str, Any]:
        """Classify one picture."""
        return self.model.answer(image)

    @bentoml.api(route="/pixels", batchable=True, max_batch_size=64, max_latency_ms=1000)
    def pixels(self, images: np.ndarray) -> np.ndarray:
        """Classify images [N, 28, 28] given as JSON."""
        return self.model.probabilities(np.asarray(images, np.uint8)).argmax(1)
