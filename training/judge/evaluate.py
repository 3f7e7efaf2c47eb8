"""Measure an exported model on the MNIST test set, through the very session that serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.model.session import Outputs
from training.data.mnist import Digits
from training.judge.measure import measure


def evaluate_mnist(run: Callable[[NDArray[np.uint8]], Outputs], digits: Digits, batch_size: int = 64) -> dict[str, Any]:
    """Return the metrics of what answers uint8 images [N, 28, 28] on labelled 28x28 pictures, as JSON types."""
    images = digits.images.cpu().numpy()
    batches = [images[place : place + batch_size] for place in range(0, len(images), batch_size)]
    logits = np.concatenate([run(batch).logits for batch in batches])
    return asdict(measure(torch.from_numpy(logits), digits.labels))
