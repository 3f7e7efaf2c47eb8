"""The interface through which recognition reports its work, for example to the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from service.recognition.batcher import BatchStatistics
    from service.recognition.verdict import Prediction


class Observer(Protocol):
    """Receives each batch, each prepared picture and each answer; must not raise."""

    def batch(self, statistics: BatchStatistics) -> None:
        """One run of the network has ended."""

    def picture(self, seconds: float) -> None:
        """One picture was decoded and prepared, or could not be, in so many seconds."""

    def answer(self, image: NDArray[np.uint8], prediction: Prediction) -> None:
        """One picture, whose image uint8 [28, 28] the network saw, was answered."""

    def tensors(
        self, images_u8: NDArray[np.uint8], labels: NDArray[np.int64], probabilities: NDArray[np.float32]
    ) -> None:
        """N images, uint8 [N, 28, 28], were answered: labels int64 [N], probabilities float32 [N, classes]."""
