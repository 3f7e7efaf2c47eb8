"""What all tests of training share."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Give PyTorch one thread, also after a test of the command line, which sets the default of its `--threads`.

    The tests' batches are too small to share, and on a busy machine threads that wait for each other take many times
    as long.
    """
    torch.set_num_threads(1)
