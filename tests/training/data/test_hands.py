"""The files of real handwriting: read, checked against their list, and missed with an error that helps."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from training.data.hands import describe_hands, load_hands
from training.data.sources import LOOKALIKES, SOURCES, TRAINING, VALIDATION, is_lookalike
from training.errors import DataError


def write(data: Path, name: str, **arrays: object) -> Path:
    """Write a file of hands below a data folder."""
    path = data / "hands" / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **{key: np.asarray(value) for key, value in arrays.items()})
    return path


def pens(data: Path, lengths: tuple[int, ...] = (2, 1, 3)) -> Path:
    """Write two signs: a "4" of two strokes and an "A" of one."""
    return write(
        data,
        "unipen_digits_train",
        labels=["4", "A"],
        points=np.arange(12, dtype=np.int16).reshape(6, 2),
        stroke_lengths=np.array(lengths, np.int32),
        strokes=np.array([2, 1], np.int16),
        writers=np.zeros(2, np.int32),
        countries=["Spain", ""],
    )


def test_pens_are_read_stroke_by_stroke(tmp_path: Path) -> None:
    """Each sign gets its own strokes, in order, with what is known of its writer."""
    pens(tmp_path)
    signs = load_hands(tmp_path, ["unipen_digits_train"])["unipen_digits_train"]
    assert [[stroke.tolist() for stroke in strokes] for strokes in signs.pens] == [
        [[[0, 1], [2, 3]], [[4, 5]]],
        [[[6, 7], [8, 9], [10, 11]]],
    ]
    assert signs.countries.tolist() == ["Spain", ""]


def test_pictures_are_read_and_described(tmp_path: Path) -> None:
    """What the manifest says of a file: how many, its hash, its terms and whom to name."""
    path = write(tmp_path, "usps_train", labels=["1", "2"], images=np.zeros((2, 16, 16), np.uint8))
    signs = load_hands(tmp_path, ["usps_train"])["usps_train"]
    said = describe_hands([signs])[0]
    assert said["pictures"] == len(signs) == 2
    assert said["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert said["terms"]
    assert said["credit"]


def test_a_missing_file_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    """All that is missing at once, where it was looked for, and what to do without it."""
    write(tmp_path, "usps_train", labels=["1"], images=np.zeros((1, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"hands lacks swiss_train\.npz.*docs/data\.md.*--without-hands") as caught:
        load_hands(tmp_path, ["usps_train", "swiss_train", "icons_train"])
    assert "icons_train.npz" in str(caught.value)
    assert "usps_train" not in str(caught.value)


def test_a_file_other_than_its_checksum_is_refused(tmp_path: Path) -> None:
    """Where SHA256SUMS lies beside the files they are held to it; without it they are taken as they are."""
    path = pens(tmp_path)
    sums = path.parent / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    load_hands(tmp_path, ["unipen_digits_train"])
    sums.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(DataError, match="SHA256SUMS beside it says 000"):
        load_hands(tmp_path, ["unipen_digits_train"])


def test_a_damaged_file_or_another_schema_is_named(tmp_path: Path) -> None:
    """No archive, a missing array, pixels of another kind, strokes that do not add up: each says which file."""
    path = pens(tmp_path, lengths=(2, 1, 2))
    with pytest.raises(DataError, match=r"3 strokes of 5 points, 6 points"):
        load_hands(tmp_path, ["unipen_digits_train"])
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match="unipen_digits_train"):
        load_hands(tmp_path, ["unipen_digits_train"])
    write(tmp_path, "usps_train", labels=["1"])
    with pytest.raises(DataError, match="images"):
        load_hands(tmp_path, ["usps_train"])
    write(tmp_path, "usps_train", labels=["1"], images=np.zeros((1, 16, 16)))
    with pytest.raises(DataError, match="expected uint8"):
        load_hands(tmp_path, ["usps_train"])


def test_what_looks_like_a_digit_is_in_neither_class() -> None:
    """A letter O is a 0 to everyone; an A is not, and no digit is one of the look-alikes but as a letter's name."""
    assert is_lookalike("unipen_signs_train", "O")
    assert is_lookalike("chars74k_validation", "l")
    assert is_lookalike("omniglot_train", "Latin/Latin/character15")
    assert is_lookalike("icons_train", "circle-fill")
    for name, label in (
        ("unipen_signs_train", "A"),
        ("omniglot_train", "Latin/Latin/character01"),
        ("icons_train", "heart"),
        ("patches_train", "O"),
    ):
        assert not is_lookalike(name, label)
    assert not LOOKALIKES & set("AEFGHKMNPRTUVWXYadefhkmnprtuwxy")


def test_no_file_is_both_for_training_and_for_choosing() -> None:
    """Every file has a description, and a name that says which of the two it is for."""
    assert all(name.endswith("_train") for name in TRAINING)
    assert all(name.endswith("_validation") for name in VALIDATION)
    assert set(SOURCES) == {*TRAINING, *VALIDATION}
