"""The data: found, split the same way each time, and missed with an error that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from samples import mnist_test_set, stripes

from training.data import mnist as data
from training.errors import DataError


def test_without_data_and_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the folder, the four files and the variable; nothing is left that looks like data."""

    def no_network(*_: object, **__: object) -> None:
        raise OSError("Name or service\nnot known")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", no_network)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*DIGITS_DATA") as caught:
        data.load_mnist(tmp_path, train=True)
    assert "\n" not in str(caught.value)


def test_a_truncated_data_set_is_refused(tmp_path: Path) -> None:
    """A data set of the wrong length is named with both numbers."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    header = (0x803).to_bytes(4) + (2).to_bytes(4) + (28).to_bytes(4) * 2
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        (raw / name).write_bytes(header + bytes(2 * 784))
    for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
        (raw / name).write_bytes((0x801).to_bytes(4) + (2).to_bytes(4) + bytes(2))
    with pytest.raises(DataError, match=r"\(2, 28, 28\), expected \(10000, 28, 28\)"):
        data.load_mnist(tmp_path, train=False)


def test_the_split_is_the_same_each_time_and_loses_nothing() -> None:
    """Validation pictures are the same in every run, and none of them is trained on."""
    digits = stripes()
    training, validation = data.split(digits, 100)
    assert (len(training), len(validation)) == (300, 100)
    assert torch.equal(validation.images, data.split(digits, 100)[1].images)
    both = torch.cat([training.images, validation.images]).flatten(1)
    assert torch.equal(both.unique(dim=0), digits.images.flatten(1).unique(dim=0))


def test_an_impossible_split_is_refused() -> None:
    """Holding everything out would leave nothing to train on."""
    with pytest.raises(DataError, match="expected 0 to 99"):
        data.split(stripes(100), 100)


def test_the_hash_names_pixels_and_labels() -> None:
    """One changed label changes the hash that the manifest records."""
    digits = stripes(20)
    relabelled = data.Digits(digits.images, digits.labels.roll(1))
    assert digits.sha256() == stripes(20).sha256() != relabelled.sha256()


def test_mnist_is_the_published_data_set() -> None:
    """10,000 pictures with the class counts that MNIST's test set has."""
    counts = mnist_test_set().labels.bincount().tolist()
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
