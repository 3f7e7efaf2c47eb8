"""Strokes become lines that keep their connections."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.synth.thinning import thin


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_thinning_keeps_the_pieces_apart_and_together(share: float) -> None:
    """As many pieces after it as before, all of them subsets, and no block of three by three left."""
    mask = np.kron(np.random.default_rng(3).random((9, 12)) < share, np.ones((5, 5))).astype(bool)
    line = thin(mask)
    assert not (line & ~mask).any()
    assert pieces(line) == pieces(mask)
    blocks = np.lib.stride_tricks.sliding_window_view(line, (3, 3)).all((2, 3))
    assert not blocks.any()


def pieces(mask: np.ndarray) -> int:
    """Count the 8-connected pieces."""
    return int(cv2.connectedComponents(mask.astype(np.uint8))[0])
