"""Each constant and each reading of the preprocessing is held by a picture that goes wrong without it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import held
import numpy as np
import pytest
from drawings import alike, read
from held import Held

import service.preprocess
from service.model.session import DigitSession
from service.preprocess import Prepared, pipeline, prepare, preprocess
from service.preprocess.ink import Ink, read_ink
from service.recognition import second_look, verdict

Case = tuple[str, object, Callable[[], Held]]

SAME = (
    0.85  # as alike at least are two prepared pictures of the same ink (drawings.alike); what went wrong is below 0.8
)

HELD: dict[str, tuple[object, Callable[[], Held]]] = {
    "colour.BETTER": (16.0, partial(held.as_light_as_the_paper, 3)),
    "colour.SEEN": (6, partial(held.as_light_as_the_paper, 5, 20, 2.5, 250)),
    "components.MOST": (2, partial(held.many, 12)),
    "components.SPECK": (0.5, partial(held.fat, 3, 120)),
    "decode.COLOUR": (48, partial(held.as_light_as_the_paper, 3)),
    "decode.COLOURED": (0.004, partial(held.as_light_as_the_paper, 5, 20, 2.5, 250)),
    "decode.LOOKED_AT": (1, partial(held.rounded_photo, 0)),
    "decode.SAMPLE": (8, partial(held.as_light_as_the_paper, 5, 20, 2.5, 250)),
    "digit.BOARD": (1.2, partial(held.beside_a_band, 5)),
    "digit.CLOUDY": (0.25, partial(held.beside_a_band, 0)),
    "digit.DOUBT": (0.1, partial(held.beside_a_band, 0)),
    "digit.IN_LINE": (999, partial(held.with_a_binding, 2)),
    "digit.LEAST": (3, partial(held.speck, 5)),
    "digit.LEAST_OF_SMALL": (8, partial(held.few_pixels, 3)),
    "digit.LEFT": (0.3, partial(held.stroke_by_a_line, 60, 0.4)),
    "digit.SHADOW": (1.0, partial(held.out_of_focus, 7, 10)),
    "digit.SHARP": (1.2, partial(held.two, photo=True)),
    "digit.SMEAR": (0.9, partial(held.pencil, 7)),
    "digit.STRONGER": (2.4, partial(held.stroke_by_a_line, 30)),
    "digit.SURE": (-1.0, partial(held.fat, 3, 120)),
    "digit.THIN": (9.0, partial(held.fat, 7, 120)),
    "digit._EDGE_WEIGHT": (np.ones(5), partial(held.with_a_scribble, 5)),
    "ink.BIMODAL": (1.5, partial(held.tight_and_grainy, 5)),
    "ink.EVEN": (20, partial(held.margin, 120)),
    "ink.FAINT": (32, partial(held.faint_marker, 7)),
    "ink.MOST": (0.35, partial(held.tight_and_grainy, 5)),
    "ink.NARROW": (24, partial(held.fat, 0, 80)),
    "ink.PLAIN": (0.05, partial(held.tight_and_lit, 0)),
    "ink.SMALL": (80, lambda: Held(held.blurred(held.tight(2, 15, 60, pad=4), 1), 2)),
    "ink.TWO_TONE": (1.8, lambda: Held(held.tight(5), 5)),
    "ink.WEAK": (0.5, partial(held.uneven_pressure, 2)),
    "ink.WIDE": (12, partial(held.beside_a_band, 0)),
    "layout.HALF": (254, partial(held.uneven_pressure, 2)),
    "normalise.FINE": (2, partial(held.plain, 5)),
    "normalise.PRESSURE": (0.6, partial(held.uneven_pressure, 3)),
    "normalise.THICKEST": (10.0, partial(held.plain, 2, 40)),
    "normalise.THINNEST": (16.0, partial(held.plain, 2, 5)),
    "outline.QUANTILE": (0.02, partial(held.fat, 5, 80)),
    "outline.SEEN": (160, partial(held.out_of_focus, 2, 14)),
    "pipeline.CLEAR": (5, partial(held.far_away, 7, 14)),
    "pipeline.COARSE": (640, partial(held.pencil, 0)),
    "pipeline.LARGE": (200, partial(held.beside_a_band, 3)),
    "pipeline.LEAST_CONTRAST": (16, held.faintest),
    "pipeline.NARROWEST": (8, partial(held.bar_of, 5)),
    "rulings.CROP": (200, partial(held.ruled, 2, 80, side=160, height=96, pen=6.4)),
    "rulings.DARKER": (0.65, partial(held.ruled, 0, 60, 150)),
}
"""By constant: a value that is clearly wrong, and a picture that is answered rightly only with the true one."""

NOT_HELD = {
    "colour.PLAIN": "the standard's shares of the colours",
    "components._LEVELS": "all grey levels",
    "decode.MAX_PIXELS": "a limit",
    "decode.WORK_SIDE": "a limit",
    "decode._LEVELS": "all grey levels",
    "decode._ORIENTATION": "a tag of EXIF",
    "digit.LOOKS": "a bound of the work; eight pieces are more than a digit has",
    "digit.ROUNDING": "larger than any error of rounding, and no more is asked of it",
    "ink._LEVELS": "all grey levels",
    "layout._SQUARE": "a kernel",
    "outline._CROSS": "a kernel",
    "outline._WINDOW": "a kernel",
    "second_look.SURE": "held by tests/service/recognition/test_second_look.py",
}
"""Why a number needs no picture."""

LIMITS = frozenset({"bounded_file", "sandbox", "sandboxed"})
"""Modules whose numbers only limit what a file may cost; their own tests hold them."""

READINGS: dict[str, tuple[Callable[[Ink], bool], Callable[[], Held]]] = {
    "even ground": (lambda ink: not ink.photo and not ink.tight, partial(held.far_away, 5, 14)),
    "two levels": (lambda ink: ink.tight, lambda: Held(held.tight(5), 5)),
    "narrow window, dark": (lambda ink: ink.photo and not _is_wide(ink) and not ink.inverted, partial(held.fat, 5, 80)),
    "narrow window, light": (
        lambda ink: ink.photo and not _is_wide(ink) and ink.inverted,
        partial(held.board_in_the_light, 5),
    ),
    "wide window, dark": (lambda ink: _is_wide(ink) and not ink.inverted, partial(held.beside_a_band, 0)),
    "wide window, light": (lambda ink: _is_wide(ink) and ink.inverted, partial(held.broad_chalk, 3)),
}
"""By reading: what it is told by, and a picture that needs it."""


def _is_wide(ink: Ink) -> bool:
    return ink.photo and ink.window > max(ink.contrast.shape) / 6


def _prepared(picture: np.ndarray | bytes) -> Prepared:
    return preprocess(picture) if isinstance(picture, bytes) else prepare(picture)


def _check_right(session: DigitSession, prepared: Prepared, right: int | str | None) -> None:
    if isinstance(right, int):
        assert read(session, prepared) == right
    else:
        assert prepared.rejected == right


def _goes_wrong(prepared: Prepared, true: Prepared) -> bool:
    """Tell whether a picture was turned down otherwise, or its ink is another."""
    return prepared.rejected != true.rejected or alike(prepared, true) < SAME


def _modules() -> Iterator[tuple[str, ModuleType]]:
    for found in pkgutil.iter_modules(service.preprocess.__path__):
        yield found.name, importlib.import_module(f"service.preprocess.{found.name}")


def _break(patch: pytest.MonkeyPatch, constant: str, wrong: object) -> None:
    """Replace a constant in its module, and in those that have it from there."""
    module, _, name = constant.partition(".")
    true = getattr(importlib.import_module(f"service.preprocess.{module}"), name)
    for _, each in _modules():
        if vars(each).get(name) is true:
            patch.setattr(each, name, wrong)


@pytest.mark.parametrize("constant", HELD)
def test_a_constant_is_needed(session: DigitSession, monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    """The picture is right with the true value, and goes wrong with another."""
    wrong, make = HELD[constant]
    picture, right = make()
    true = _prepared(picture)
    _check_right(session, true, right)
    _break(monkeypatch, constant, wrong)
    assert _goes_wrong(_prepared(picture), true), f"{constant} = {wrong} changes nothing that matters"


@pytest.mark.parametrize("reading", READINGS)
def test_a_reading_is_needed(session: DigitSession, monkeypatch: pytest.MonkeyPatch, reading: str) -> None:
    """The picture is right with all readings, and goes wrong without this one."""
    is_it, make = READINGS[reading]
    picture, right = make()
    true = _prepared(picture)
    _check_right(session, true, right)

    def others(grey: np.ndarray, *, side: int) -> Iterator[Ink]:
        return (ink for ink in read_ink(grey, side=side) if not is_it(ink))

    monkeypatch.setattr(pipeline, "read_ink", others)
    assert _goes_wrong(_prepared(picture), true), f"without the reading {reading} nothing that matters changes"


def test_every_number_is_held_or_says_why_not() -> None:
    """A new constant gets a picture, or a reason; one that went leaves none behind."""
    modules = [*_modules(), ("second_look", second_look), ("verdict", verdict)]
    numbers = {
        f"{module}.{name}"
        for module, each in modules
        for name in each.__annotations__
        if module not in LIMITS
        and name.lstrip("_").isupper()
        and isinstance(getattr(each, name), int | float | np.ndarray)
    }
    assert numbers == {*HELD, *NOT_HELD}
    assert not set(HELD) & set(NOT_HELD)
