"""`make figures-check`: each figure of the documents is found, compared, and reported if it has moved."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.figures import __main__ as command
from benchmarks.figures.sources import LISTS, SOURCES, metrics, settings, weigh
from benchmarks.figures.written import LISTINGS, STATEMENTS, Listing, Statement, listed, read
from benchmarks.load import BenchmarkError


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda each: f"{each.source}-{each.document}")
def test_every_figure_is_stated_once(statement: Statement) -> None:
    """A reworded sentence must take its pattern along, or its figure would no longer be checked."""
    assert statement.source in SOURCES
    assert read(statement)


def test_a_figure_that_is_gone_says_where_to_mend_it(tmp_path: Path) -> None:
    """The error names document, pattern and the list."""
    (tmp_path / "page.md").write_text("No figure here.")
    with pytest.raises(BenchmarkError, match=r"page\.md matches .* 0 times, expected once; adapt STATEMENTS"):
        read(Statement("page.md", r"(?P<rate>\d+)/s", "service"), tmp_path)


@pytest.mark.parametrize(
    ("text", "noise", "measured", "verdict"),
    [
        ("99.60", 0.0, 99.6049, "ok"),
        ("99.60", 0.0, 99.606, "MOVED"),
        ("21,840", 0.0, 21840, "ok"),
        ("21,840", 0.0, 21841, "MOVED"),
        ("1.8", 0.15, 2.1, "ok"),
        ("1.8", 0.15, 2.2, "MOVED"),
        ("1.8", 0.15, 1.4, "MOVED"),
    ],
)
def test_only_more_than_rounding_and_noise_is_a_move(
    tmp_path: Path, text: str, noise: float, measured: float, verdict: str
) -> None:
    """Half of the last written digit is rounding; a timing may differ by its noise beside."""
    (tmp_path / "page.md").write_text(f"It is {text} wide.")
    (written,) = read(Statement("page.md", r"is (?P<width>[\d.,]+) wide", "model", noise), tmp_path)
    assert command.compare(written, measured).verdict == verdict


def test_a_moved_figure_fails_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Written and measured value stand in one line, and the exit status is 1."""
    monkeypatch.setattr(command, "SOURCES", {"model": lambda: {"parameters": 21841.0}})
    monkeypatch.setattr(command, "LISTS", {})
    monkeypatch.setattr(command, "LISTINGS", ())
    assert command.main([]) == 1
    assert re.search(r"README\.md +\| parameters \(model\) +\| 21,840 +\| 21,841 +\| MOVED", capsys.readouterr().out)


def test_what_cannot_be_measured_says_why_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wrk or data the other figures are still checked."""

    def missing() -> dict[str, float]:
        raise BenchmarkError("wrk is not on the PATH")

    monkeypatch.setattr(command, "SOURCES", {"service": missing})
    lines = command.check_numbers(["service"])
    assert lines
    assert {line.verdict for line in lines} == {"not measured: wrk is not on the PATH"}


def test_card_and_model_are_what_the_documents_say() -> None:
    """The figures that cost nothing to check are checked with every run of the tests."""
    lines = [*command.check_numbers(["model", "card"]), *command.check_lists(["settings", "metrics"])]
    assert [line for line in lines if line.verdict != "ok"] == []


def test_a_table_that_misses_an_entry_or_has_one_too_many_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both sides of the difference are lines."""
    (tmp_path / "page.md").write_text("| `DIGITS_OLD` | `1` |\n| `DIGITS_PORT` | `2` |\n")
    listing = Listing("page.md", LISTINGS[0].pattern, "settings")
    entries = listed(listing, tmp_path)
    monkeypatch.setattr(command, "listed", lambda _: entries)
    monkeypatch.setattr(command, "LISTINGS", (listing,))
    monkeypatch.setattr(command, "LISTS", {"settings": lambda: {"PORT 3"}})
    moved = [line for line in command.check_lists(["settings"]) if line.verdict == command.MOVED]
    assert [(line.written, line.measured) for line in moved] == [
        ("OLD 1", "no such entry"),
        ("PORT 2", "no such entry"),
        ("not listed", "PORT 3"),
    ]


def test_lists_come_from_the_code() -> None:
    """Settings have their defaults, metrics their names."""
    assert {"MAX_BATCH 64", "METRICS_OPEN false", "MODEL models/digits", "API_KEY none"} <= settings()
    assert {"digits_drift", "digits_request_seconds"} <= metrics()
    assert set(LISTS) == {listing.source for listing in LISTINGS}


def test_a_folder_is_weighed_without_what_is_left_out(tmp_path: Path) -> None:
    """Byte code is no part of what is shipped."""
    for name, size in (("a.py", 3_000_000), ("__pycache__/a.pyc", 5_000_000)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    assert weigh(tmp_path, "__pycache__") == 3
