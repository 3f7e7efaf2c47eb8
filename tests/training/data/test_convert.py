"""Public file formats of handwriting, on made-up samples of each."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.cli import main
from training.data.convert import pack_pens, read_optdigits, read_pictures, read_unipen, read_usps
from training.data.hands import load_hands
from training.errors import DataError

UNIPEN = """\
.VERSION 1.0
.COUNTRY SPAIN
.WRITER_ID val-07
.COORD X Y T
.SEGMENT CHARACTER 0-2 ? "4"
.SEGMENT CHARACTER 4 OK "1"
.SEGMENT WORD 0-4 ? "41"
.PEN_DOWN
0 100 0
50 0 10
.PEN_UP
60 60 20
.PEN_DOWN
100 200 30
.PEN_UP
.PEN_DOWN
700 0 50
700 400 60
.PEN_UP
"""


def test_usps_is_read_from_both_of_its_formats(tmp_path: Path) -> None:
    """The original's label and 256 greys from -1 to 1, and libsvm's, which counts classes from 1."""
    greys = ["-1.0"] * 255 + ["1.0"]
    (tmp_path / "zip.train.gz").write_bytes(gzip.compress(f"6.0000 {' '.join(greys)}\n".encode()))
    pairs = [f"{place}:{grey}" for place, grey in enumerate(greys, 1)]
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(f"7 {' '.join(pairs)}\n".encode()))
    for name in ("zip.train.gz", "usps.bz2"):
        found = read_usps(tmp_path / name)
        assert found["labels"].tolist() == ["6"]
        assert found["images"].shape == (1, 16, 16)
        assert (found["images"][0, 0, 0], found["images"][0, 15, 15]) == (0, 255)
    (tmp_path / "zip.train").write_text("6.0 0.5 0.5\n")
    with pytest.raises(DataError, match="line 1, has 2 greys, expected 256"):
        read_usps(tmp_path / "zip.train")


def test_optdigits_is_read_behind_its_head(tmp_path: Path) -> None:
    """32 lines of a bitmap and the label; a digit that lacks a line is refused with its place."""
    rows = ["0" * 32] * 31 + ["1" * 32]
    head = ["Optical Recognition of Handwritten Digits", "ntot = 1", ""]
    path = tmp_path / "optdigits-orig.tra"
    path.write_text("\n".join([*head, *rows, " 3"]) + "\n")
    found = read_optdigits([path])
    assert found["labels"].tolist() == ["3"]
    assert found["images"][0, 31].tolist() == [255] * 32
    assert not found["images"][0, :31].any()
    path.write_text("\n".join([*head, *rows[1:], " 3"]))
    with pytest.raises(DataError, match="line 35: 31 rows"):
        read_optdigits([path])


def test_folders_of_pictures_become_squares_with_bright_ink(tmp_path: Path) -> None:
    """Omniglot's script and character are the label; its dark ink comes out bright."""
    folder = tmp_path / "images_background" / "Greek" / "character01"
    folder.mkdir(parents=True)
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[:3, :3] = 0
    Image.fromarray(pixels).convert("1").save(folder / "0001_01.png")
    found = read_pictures(tmp_path / "images_background", 35, dark=True)
    assert found["labels"].tolist() == ["Greek/character01"]
    assert found["images"].shape == (1, 35, 35)
    assert found["images"][0, 0, 0] == 255
    assert found["images"].sum() == 255
    with pytest.raises(DataError, match="there is no PNG file"):
        read_pictures(folder / "empty", 35, dark=True)


def test_unipen_characters_keep_their_ink_and_their_writer(tmp_path: Path) -> None:
    """Components count pen-ups too, of which no ink comes; words are no characters."""
    path = tmp_path / "a.dat"
    path.write_text(UNIPEN)
    four, one = read_unipen(path)
    assert [four.label, one.label] == ["4", "1"]
    assert [stroke.tolist() for stroke in four.strokes] == [[[0, 100], [50, 0]], [[100, 200]]]
    assert (four.writer, four.country) == ("val-07", "SPAIN")
    assert [len(stroke) for stroke in one.strokes] == [2]


def test_pens_are_brought_into_the_sign_s_own_box_with_y_downward(tmp_path: Path) -> None:
    """UNIPEN's y points upward; the longer side becomes 1000, and the loader reads what was packed."""
    path = tmp_path / "a.dat"
    path.write_text(UNIPEN)
    packed = pack_pens(read_unipen(path))
    (tmp_path / "hands").mkdir()
    np.savez(tmp_path / "hands" / "unipen_digits_train.npz", **packed)
    signs = load_hands(tmp_path, ["unipen_digits_train"])["unipen_digits_train"]
    assert [stroke.tolist() for stroke in signs.pens[0]] == [[[0, 500], [250, 1000]], [[500, 0]]]
    assert [stroke.tolist() for stroke in signs.pens[1]] == [[[0, 1000], [0, 0]]]
    assert signs.countries.tolist() == ["SPAIN", "SPAIN"]


def test_a_segment_that_names_no_components_is_refused(tmp_path: Path) -> None:
    """The error shows what stands there."""
    path = tmp_path / "a.dat"
    path.write_text(UNIPEN.replace("0-2", "first"))
    with pytest.raises(DataError, match="'first'"):
        list(read_unipen(path))


def test_a_file_is_converted_by_name(tmp_path: Path) -> None:
    """The command takes the kind, the sources and the target, and writes what the loader reads."""
    source, target = tmp_path / "a.dat", tmp_path / "hands" / "unipen_digits_train.npz"
    source.write_text(UNIPEN)
    assert main(["convert", "unipen", "--source", str(source), "--target", str(target)]) == 0
    assert len(load_hands(tmp_path, ["unipen_digits_train"])["unipen_digits_train"]) == 2
