"""The command: hold every figure of README and guides against what is measured now; exit status 1 if one has moved."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.figures.sources import LISTS, SOURCES
from benchmarks.figures.written import LISTINGS, STATEMENTS, Written, listed, read
from benchmarks.load import BenchmarkError
from benchmarks.table import markdown

MOVED = "MOVED"


class Line(NamedTuple):
    """One line of the report."""

    document: str
    figure: str
    written: str
    measured: str
    verdict: str


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.figures",
        description="Measure the figures of README and guides again, in about eight minutes on an idle machine.",
    )
    every = [*SOURCES, *LISTS]
    options.add_argument("--only", nargs="+", choices=every, default=every, metavar="SOURCE", help=", ".join(every))
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0, or 1 if a figure has moved by more than its noise or is no longer stated."""
    options = parser().parse_args(arguments)
    lines = [*check_numbers(options.only), *check_lists(options.only)]
    table = [[*Line._fields], *([*line] for line in lines)]
    moved = sum(line.verdict == MOVED for line in lines)
    unknown = sum(line.measured == "" for line in lines)
    sys.stdout.write(f"{markdown(table)}\n\n{len(lines)} figures, {moved} moved, {unknown} not measured\n")
    return 1 if moved else 0


def check_numbers(only: Iterable[str]) -> list[Line]:
    """Compare the numbers of these sources; what a source cannot measure is reported with the reason."""
    lines = []
    for source in (name for name in SOURCES if name in only):
        try:
            written = [one for each in STATEMENTS if each.source == source for one in read(each)]
        except BenchmarkError as error:
            lines.append(Line("", source, "", "-", MOVED))
            sys.stderr.write(f"{error}\n")
            continue
        try:
            measured, reason = SOURCES[source](), ""
        except BenchmarkError as error:
            measured, reason = {}, str(error)
        lines += [compare(one, measured.get(one.name), reason) for one in written]
    return lines


def compare(written: Written, measured: float | None, reason: str = "") -> Line:
    """Say whether a figure has moved; `measured` is None if it was not measured."""
    figure = f"{written.name} ({written.source})"
    if measured is None:
        return Line(written.document, figure, written.text, "", f"not measured: {reason or 'not available here'}")
    moved = abs(measured - written.value) > written.allowed * (1 + 1e-9)
    return Line(written.document, figure, written.text, f"{measured:,.6g}", MOVED if moved else "ok")


def check_lists(only: Iterable[str]) -> list[Line]:
    """Compare the tables of these sources; each entry that only one side has is a line."""
    lines = []
    for listing in (each for each in LISTINGS if each.source in only):
        written, actual = listed(listing), LISTS[listing.source]()
        lines += [Line(listing.document, entry, entry, "no such entry", MOVED) for entry in sorted(written - actual)]
        lines += [Line(listing.document, entry, "not listed", entry, MOVED) for entry in sorted(actual - written)]
        lines.append(Line(listing.document, listing.source, f"{len(written)} rows", f"{len(actual)} rows", "ok"))
    return lines


if __name__ == "__main__":
    sys.exit(main())
