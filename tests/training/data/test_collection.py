"""A folder of one's own pictures is read as the service reads pictures, and told about before it is trained on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.model.session import Outputs
from training.data.collection import Collection, disputed, read_collection
from training.errors import DataError


class Sure:
    """A session that takes every picture for a 7, and is sure of it."""

    artifact = SimpleNamespace(manifest=SimpleNamespace(labels=("1", "7")))

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Answer N pictures."""
        row = np.array([[0.02, 0.98]], np.float32).repeat(len(images), 0)
        return Outputs(np.log(row), row)


def draw(path: Path, x: int, kind: str = "PNG") -> Path:
    """Write a picture of a vertical bar whose slant is its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(canvas).line([(50, 15), (20 + 3 * x, 85)], 0, 9)
    canvas.save(path, kind)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of six usable pictures each."""
    for label in ("1", "7"):
        for number in range(6):
            draw(tmp_path / label / f"{number}.png", number + 10 * (label == "7"))
    return tmp_path


def kinds(collection: Collection) -> list[str]:
    """What was found, in order."""
    return [finding.kind for finding in collection.findings]


def test_a_sound_folder_is_read_whole_and_without_complaint(folder: Path) -> None:
    """Every picture is an example of its folder's label."""
    collection = read_collection(folder)
    collection.require_sound()
    assert (len(collection.examples), collection.labels, kinds(collection)) == (12, ["1", "7"], [])
    assert all(example.image.shape == (28, 28) for example in collection.examples)


def test_hidden_files_and_loose_files_are_no_pictures(folder: Path) -> None:
    """What an operating system leaves in a folder is not held against it."""
    (folder / "1" / ".DS_Store").write_bytes(b"x")
    (folder / "LICENSE").write_text("free")
    assert kinds(read_collection(folder)) == []


def test_unreadable_and_blank_files_are_named_and_left_out(folder: Path) -> None:
    """The finding has the path and the service's own words."""
    (folder / "1" / "notes.txt").write_text("not a picture")
    Image.new("L", (60, 60), 255).save(folder / "7" / "white.png")
    collection = read_collection(folder)
    assert kinds(collection) == ["unreadable", "rejected"]
    assert "notes.txt" in collection.findings[0].where
    assert "'blank'" in collection.findings[1].detail
    assert len(collection.examples) == 12
    collection.require_sound()


def test_a_copy_in_another_file_format_is_still_a_copy(folder: Path) -> None:
    """Copies must not stand in two parts of the division, so they are compared as the network sees them."""
    draw(folder / "1" / "copy.bmp", 0, "BMP")
    collection = read_collection(folder)
    assert kinds(collection) == ["duplicate"]
    assert len(collection.examples) == 12


def test_a_picture_under_two_labels_is_left_out_under_both(folder: Path) -> None:
    """Nobody can say which label is the right one."""
    draw(folder / "7" / "other.png", 0)
    collection = read_collection(folder)
    assert kinds(collection) == ["contradiction"]
    assert len(collection.examples) == 11


def test_empty_and_small_classes_stop_the_training_and_all_are_named(folder: Path) -> None:
    """One run tells everything that must be mended."""
    (folder / "3").mkdir()
    draw(folder / "4" / "only.png", 30)
    collection = read_collection(folder)
    assert kinds(collection) == ["empty class", "too few"]
    with pytest.raises(DataError, match=r"empty class: 3: 0 usable.*too few: 4: 1 usable pictures, expected 5"):
        collection.require_sound()


def test_a_csv_names_paths_labels_and_groups(folder: Path) -> None:
    """Paths are relative to the CSV, and a missing file is a finding."""
    rows = [f"{label}/{number}.png,{label},{number % 3}" for label in ("1", "7") for number in range(6)]
    table = folder / "pictures.csv"
    table.write_text("\n".join(["path,label,group", *rows, "1/gone.png,1,0"]))
    collection = read_collection(table)
    assert [finding.kind for finding in collection.findings] == ["unreadable"]
    assert {example.group for example in collection.examples} == {"0", "1", "2"}


@pytest.mark.parametrize("content", ["file,label\na.png,1\n", ""])
def test_a_csv_without_the_columns_says_which_are_wanted(tmp_path: Path, content: str) -> None:
    """The message has the columns that are there and those that are expected."""
    table = tmp_path / "pictures.csv"
    table.write_text(content)
    with pytest.raises(DataError, match="expected path, label and perhaps group"):
        read_collection(table)


def test_a_picture_in_place_of_a_csv_is_told_in_one_line(tmp_path: Path) -> None:
    """Not a traceback out of the decoder of text."""
    picture = draw(tmp_path / "mine.png", 1)
    with pytest.raises(DataError, match="as a CSV file in UTF-8"):
        read_collection(picture)


def test_a_folder_without_classes_says_how_it_should_look(tmp_path: Path) -> None:
    """The message shows a path as it should be."""
    with pytest.raises(DataError, match=r"7/mine\.png"):
        read_collection(tmp_path)
    with pytest.raises(DataError, match="neither a folder nor a CSV"):
        read_collection(tmp_path / "nothing")


def test_a_description_holds_counts_and_a_hash_and_no_name(folder: Path) -> None:
    """What goes into a manifest gives no picture and no path away, and does not depend on names or order."""
    described = read_collection(folder).describe()
    assert (described["pictures"], described["classes"]) == (12, {"1": 6, "7": 6})
    assert str(folder) not in str(described)
    (folder / "1" / "0.png").rename(folder / "1" / "z.png")
    assert read_collection(folder).describe() == described


def test_labels_that_the_model_is_sure_are_others_are_disputed_and_unknown_labels_are_not(folder: Path) -> None:
    """Only a label that the model knows can be wrong in its eyes; a letter, which it cannot know, is let be."""
    for number in range(5):
        draw(folder / "l" / f"{number}.png", 20 + number)
    found = disputed(Sure(), read_collection(folder))  # type: ignore[arg-type]
    assert [(answer.label, answer.said) for answer in found] == [("1", "7")] * 6
