"""Measure an exported model on the MNIST test set, through the very session that serves."""

from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from service.session import DigitSession
from training.data import Digits
from training.measure import measure


def evaluate_mnist(session: DigitSession, digits: Digits, batch_size: int = 64) -> dict[str, Any]:
    """Return the metrics of a session on labelled 28x28 pictures, as JSON types."""
    images = digits.images.cpu().numpy()
    parts = [session.run(images[place : place + batch_size]).logits for place in range(0, len(images), batch_size)]
    return asdict(measure(torch.from_numpy(np.concatenate(parts)), digits.labels))
