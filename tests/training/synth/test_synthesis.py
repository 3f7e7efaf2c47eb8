"""Synthetic pictures: the same for the same seed, readable as files, and answered rightly by the shipped network."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.preprocess import prepare, preprocess
from training.errors import DataError
from training.synth.pictures import DIGIT_KINDS, OTHER_KINDS, synthesise, synthesise_grey
from training.synth.pool import HARD
from training.synth.strokes import draw, trace

MODELS = Path(__file__).resolve().parents[3] / "models" / "digits"
KINDS = [*DIGIT_KINDS, *OTHER_KINDS]


@pytest.fixture(scope="module")
def digits() -> list[NDArray[np.uint8]]:
    """Ten printed digits in MNIST's layout, so that no data set is needed."""
    font = ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 60)
    made = []
    for label in range(10):
        page = Image.new("L", (80, 80))
        ImageDraw.Draw(page).text((40, 40), str(label), fill=255, font=font, anchor="mm")
        made.append(prepare(np.asarray(page)).image)
    return made


@pytest.fixture(scope="module")
def session() -> DigitSession:
    """Open the shipped model as the service does."""
    return DigitSession(load_artifact(MODELS), "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_the_same_for_the_same_seed(kind: str, digits: list[NDArray[np.uint8]]) -> None:
    """Two generators of one seed give the same file, byte for byte, and another seed another one."""
    one, other = (synthesise(kind, digits[3], 3, np.random.default_rng(1)) for _ in range(2))
    assert one == other
    if kind != "mnist":
        assert one != synthesise(kind, digits[3], 3, np.random.default_rng(2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_makes_files_that_are_read(kind: str, digits: list[NDArray[np.uint8]]) -> None:
    """Every file opens, and the service's own decoder takes it; colours are made only where they tell something."""
    data = synthesise(kind, digits[4], 4, np.random.default_rng(3))
    with Image.open(io.BytesIO(data)) as picture:
        assert min(picture.size) >= 8
    assert preprocess(data).image.shape == (28, 28)
    grey = synthesise_grey(kind, digits[4], 4, np.random.default_rng(3))
    assert grey.dtype == np.uint8
    assert grey.ndim == (3 if DIGIT_KINDS.get(kind, OTHER_KINDS.get(kind)).colour else 2)


@pytest.mark.parametrize("kind", [kind for kind in DIGIT_KINDS if kind not in HARD])
def test_the_shipped_network_reads_every_kind(
    kind: str, digits: list[NDArray[np.uint8]], session: DigitSession
) -> None:
    """Of ten digits of each kind of picture at least eight (of photos six) are answered rightly."""
    rng = np.random.default_rng(5)
    right = 0
    for label, digit in enumerate(digits):
        prepared = prepare(synthesise_grey(kind, digit, label, rng))
        said = int(session.run(prepared.image[None]).logits[0].argmax())
        right += prepared.rejected is None and said == label
    assert right >= (6 if kind.startswith("photo") else 8)


def test_an_unknown_kind_is_named_with_the_known_ones(digits: list[NDArray[np.uint8]]) -> None:
    """The error says what there is to choose from."""
    with pytest.raises(DataError, match=r"'painting'.*photo_pencil"):
        synthesise("painting", digits[0], 0, np.random.default_rng(0))


def test_a_traced_digit_covers_its_ink(digits: list[NDArray[np.uint8]]) -> None:
    """Drawn again with a pen of its own width, a traced digit lies on the original."""
    for digit in digits:
        again = draw(trace(digit), (28, 28), 28, (0, 0), 3)
        ink = digit > 127
        assert (again[ink] > 0.3).mean() > 0.8
        assert (again[~ink] > 0.7).mean() < 0.1
