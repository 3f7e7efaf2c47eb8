"""The pictures that the benchmark sends are what their names say, and are read as what was drawn."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from benchmarks import pictures
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.recognition.recogniser import Recogniser
from service.settings import load_settings


@pytest.mark.parametrize("draw", [pictures.drawing, pictures.snapshot])
def test_the_drawn_seven_is_read(draw: Callable[[], bytes]) -> None:
    """A picture that is rejected, or looked at twice, would measure another path than the one it stands for."""
    session = DigitSession(load_artifact(load_settings().model), "cpu", 1)
    answer = Recogniser(session.run, session.artifact.manifest).picture(draw())
    assert answer.prediction.label == 7
    assert answer.prediction.confidence > 0.9


@pytest.mark.parametrize(
    ("draw", "kind", "mode", "size"),
    [(pictures.drawing, "PNG", "RGBA", (280, 280)), (pictures.snapshot, "JPEG", "RGB", (640, 480))],
)
def test_a_picture_is_what_clients_send(draw: Callable[[], bytes], kind: str, mode: str, size: tuple[int, int]) -> None:
    """The format, the transparency and the size decide what a request costs."""
    with Image.open(io.BytesIO(draw())) as picture:
        assert (picture.format, picture.mode, picture.size) == (kind, mode, size)
