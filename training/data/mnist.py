"""MNIST as tensors on the training device: 47 MB in all, so no loader, no worker and no copy per batch."""

from __future__ import annotations

import hashlib
import os
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torchvision.datasets import MNIST

from service.telemetry.drift import describe
from training.errors import DataError

DATA_VARIABLE: Final = "DIGITS_DATA"
DIGITS: Final = tuple("0123456789")
DEFAULT_FOLDER: Final = Path("data")
TRAIN_IMAGES: Final = 60_000
TEST_IMAGES: Final = 10_000
# Fixes which training images are held out for validation, whatever the seed of the run.
SPLIT_SEED: Final = 20_260_101


@dataclass(frozen=True)
class Digits:
    """Labelled pictures: `images` uint8 `[N, 28, 28]` (0 background, 255 ink), `labels` int64 `[N]` in 0..9."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> Digits:
        """Return the pictures at an index tensor, mask or slice."""
        return Digits(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Digits:
        """Copy to a device."""
        return Digits(self.images.to(device), self.labels.to(device))

    def sha256(self) -> str:
        """Return the SHA-256 of the raw pixels and labels, which names the data in manifests."""
        digest = hashlib.sha256(self.images.cpu().numpy().tobytes())
        digest.update(self.labels.cpu().to(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def data_folder() -> Path:
    """Return the folder that holds (or shall hold) `MNIST/raw`: $DIGITS_DATA, else ./data."""
    return Path(os.environ.get(DATA_VARIABLE) or DEFAULT_FOLDER)


def load_mnist(folder: Path, *, train: bool, download: bool = True) -> Digits:
    """Load one part of MNIST, downloading it on first use unless told not to.

    Raises:
        DataError: the files are neither there nor downloadable, or hold another number of pictures.
    """
    part = _open(folder, train=train, download=download)
    expected = TRAIN_IMAGES if train else TEST_IMAGES
    if tuple(part.data.shape) != (expected, 28, 28):
        raise DataError(
            f"MNIST in {folder / 'MNIST' / 'raw'} has shape {tuple(part.data.shape)}, expected ({expected}, 28, 28); "
            "delete that folder and run again to download it anew."
        )
    return Digits(part.data, part.targets)


def split(digits: Digits, validation_images: int) -> tuple[Digits, Digits]:
    """Split into (training, validation) at random, the same way in every run.

    Raises:
        DataError: no picture would be left to train on.
    """
    if not 0 <= validation_images < len(digits):
        raise DataError(
            f"validation_images is {validation_images}, expected 0 to {len(digits) - 1}: "
            f"the training set holds {len(digits)} pictures."
        )
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(SPLIT_SEED))
    order = order.to(digits.labels.device)
    return digits[order[validation_images:]], digits[order[:validation_images]]


def _open(folder: Path, *, train: bool, download: bool) -> MNIST:
    try:
        return MNIST(root=str(folder), train=train, download=False)
    except RuntimeError:
        pass  # not there yet: torchvision has no more telling exception
    try:
        return MNIST(root=str(folder), train=train, download=download)
    except (RuntimeError, OSError, urllib.error.URLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"MNIST is not in {folder / 'MNIST' / 'raw'} and was not downloaded ({reason}). Put the four files "
            f"train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
            f"there, or set {DATA_VARIABLE} to a folder that has MNIST/raw with them."
        ) from error


def describe_data(train: Digits) -> dict[str, Any]:
    """Name the training data by hash, and describe it so that a service can tell when its traffic drifts away."""
    return {
        "name": "MNIST training set",
        "pictures": len(train),
        "sha256": train.sha256(),
        "distribution": describe(train.images.cpu().numpy(), train.labels.cpu().numpy(), len(DIGITS)).model_dump(),
    }
