"""Throughput and latency over connections as a picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks.load import BenchmarkError
from benchmarks.rounds import Row

COLOURS = ("#1b6ca8", "#7f7f7f", "#d1495b", "#edae49", "#66a182", "#8d5a97")


def draw(rows: list[Row], workloads: tuple[str, ...], path: Path) -> None:
    """Draw answers in a second above, 99th percentile below, one column for each workload, one line a server.

    Raises:
        BenchmarkError: no row has any of the workloads.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - only for the picture

    workloads = tuple(name for name in workloads if any(name == cell for row in rows for cell, _ in row.cells))
    if not workloads:
        raise BenchmarkError("nothing was measured that could be drawn; see the messages above")
    figure = Figure(figsize=(4 * len(workloads), 6.5), layout="constrained")
    axes = figure.subplots(2, len(workloads), squeeze=False, sharex=True)
    for column, workload in enumerate(workloads):
        top, bottom = axes[0][column], axes[1][column]
        for row, colour in zip(rows, COLOURS, strict=False):
            points = [(connections, row.cell(name, connections)) for name, connections in row.cells if name == workload]
            known = [(connections, found) for connections, found in points if found is not None]
            counts = [connections for connections, _ in known]
            line = {"color": colour, "marker": "o", "label": row.title}
            top.plot(counts, [found.per_s for _, found in known], **line)
            bottom.plot(counts, [found.p99_ms for _, found in known], **line)
        top.set_title(workload)
        top.set_ylim(bottom=0)
        bottom.set_yscale("log")
        bottom.set_xlabel("connections")
        for one in (top, bottom):
            one.set_xscale("log", base=2)
            one.grid(alpha=0.3)
    axes[0][0].set_ylabel("answers in a second")
    axes[1][0].set_ylabel("99th percentile, ms")
    axes[0][0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
