"""The figures as the documents state them: where each one stands, what it should equal, and how much it may differ."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.load import BenchmarkError

ROOT = Path(__file__).resolve().parents[2]
README = "README.md"
DEPLOY = "docs/deploy.md"
OPERATE = "docs/operate.md"
UNDERSTAND = "docs/understand.md"


@dataclass(frozen=True)
class Statement:
    """Figures in a sentence or a table row.

    Attributes:
        document: path from the repository's root.
        pattern: regular expression; each named group is a number and the name of a measurement in `source`.
        source: which measurements it is compared with (benchmarks/figures/sources.py).
        noise: share of the written value by which a measurement may differ without having moved; 0: only by rounding.
    """

    document: str
    pattern: str
    source: str
    noise: float = 0.0


@dataclass(frozen=True)
class Listing:
    """A table whose rows the code knows; `pattern` gives each row's texts, which together are one entry."""

    document: str
    pattern: str
    source: str


@dataclass(frozen=True)
class Written:
    """One figure as it is written: `name` of the measurement, the text, and by how much the value may differ."""

    document: str
    source: str
    name: str
    text: str
    value: float
    allowed: float


# Latency and start depend on the processor and on what else runs; a ratio within one run depends on neither.
LATENCY = 0.35
RATIO = 0.15
MEMORY = 0.10

CARD = (
    Statement(
        README, r"MNIST test set \| (?P<mnist>[\d.]+) % right, calibration error (?P<mnist_ece>[\d.]+) %", "card"
    ),
    Statement(
        README,
        r"(?P<digits_right>[\d.]+) % right, (?P<digits_rejected>[\d.]+) % rejected, (?P<digits_sure>[\d.]+) % wrong",
        "card",
    ),
    Statement(README, r"(?P<others_rejected>[\d.]+) % rejected, (?P<others_sure>[\d.]+) % answered", "card"),
    Statement(UNDERSTAND, r"mean deviation is (?P<mnist_ece>[\d.]+) % on MNIST\s+and (?P<real_ece>[\d.]+) %", "card"),
)
STATEMENTS = (
    *CARD,
    *(replace(statement, source="accuracy") for statement in CARD),
    Statement(README, r"(?P<parameters>[\d,]+) parameters", "model"),
    Statement(README, r"\| a 28 × 28 PNG \| (?P<upload_ms>[\d.]+) ms on average", "service", LATENCY),
    Statement(README, r"a canvas, 280 × 280 \| (?P<drawing_ms>[\d.]+) ms on average", "service", LATENCY),
    Statement(README, r"phone photo \| (?P<photo_ms>[\d.]+) ms on average", "service", LATENCY),
    Statement(
        README, r"(?P<fastapi>[\d.]+) × a hand-written FastAPI service, (?P<bentoml>[\d.]+) × BentoML", "service", RATIO
    ),
    Statement(README, r"start until ready; memory when ready \| (?P<ready_s>[\d.]+) s", "service", LATENCY),
    Statement(
        README, r"start until ready; memory when ready \| [\d.]+ s; (?P<resident_mib>[\d.]+) MiB", "service", MEMORY
    ),
    Statement(README, r"median (?P<page_median>[\d.]+) ms, worst of", "page", LATENCY),
    Statement(UNDERSTAND, r"(?P<parameters>[\d,]+) parameters", "model"),
    Statement(DEPLOY, r"installed packages \(cpu\) \| (?P<packages_mb>[\d.]+) MB", "sizes", 0.02),
    Statement(DEPLOY, r"code and model \| (?P<code_mb>[\d.]+) MB", "sizes", 0.05),
)
LISTINGS = (
    Listing(OPERATE, r"^\| `DIGITS_(\w+)` \| `?([^`|]*)`? \|", "settings"),
    Listing(OPERATE, r"^\| `(digits_\w+)` \|", "metrics"),
)


def listed(listing: Listing, root: Path = ROOT) -> set[str]:
    """Find the entries of a table, each a row's texts with a space between them."""
    text = (root / listing.document).read_text(encoding="utf-8")
    return {" ".join(match.groups()).strip() for match in re.finditer(listing.pattern, text, re.MULTILINE)}


def read(statement: Statement, root: Path = ROOT) -> list[Written]:
    """Find a statement's figures in its document.

    A measurement may differ by half of the last digit that is written, and by `noise` beside.

    Raises:
        BenchmarkError: the document does not state it in this form, or more than once.
    """
    found = list(re.finditer(statement.pattern, (root / statement.document).read_text(encoding="utf-8")))
    if len(found) != 1:
        raise BenchmarkError(
            f"{statement.document} matches {statement.pattern!r} {len(found)} times, expected once; "
            "adapt STATEMENTS in benchmarks/figures/written.py to the new wording"
        )
    figures = []
    for name, text in found[0].groupdict().items():
        value = float(text.replace(",", ""))
        rounding = 0.5 * 10.0 ** -len(text.partition(".")[2])
        figures.append(
            Written(statement.document, statement.source, name, text, value, rounding + statement.noise * value)
        )
    return figures
