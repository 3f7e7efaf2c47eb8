"""What was measured as Markdown tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from statistics import median, quantiles
from typing import Any

from benchmarks.load import Measured
from benchmarks.rounds import Row
from benchmarks.workloads import WORKLOADS


def write_tables(rows: list[Row], connections: tuple[int, ...]) -> str:
    """One table for each number of connections, and one of what the servers cost."""
    parts = [f"{count} connections:\n\n{load_table(rows, count)}" for count in connections]
    return "\n\n".join([*parts, f"Start, memory, and the loop under photos:\n\n{cost_table(rows)}"])


def load_table(rows: list[Row], connections: int) -> str:
    """Workloads down, servers across: answers in a second, 99th percentile of the latency, processor time for one."""
    lines = [["workload", *(row.title for row in rows)]]
    for name, workload in WORKLOADS.items():
        found = [row.cell(name, connections) for row in rows]
        if any(found):
            lines.append([f"{name}: {workload.text}", *(_cell(one) for one in found)])
    return markdown(lines)


def cost_table(rows: list[Row]) -> str:
    """Seconds to the first answer, memory, and the answers to a health probe while photos are decoded."""
    lines = [["", *(row.title for row in rows)]]
    for text, values in (
        ("start to ready, s", [_median(row.ready_s, 2) for row in rows]),
        ("resident at start, MiB", [_median(row.start_mib, 0) for row in rows]),
        ("resident after the load, MiB", [_median(row.resident_mib, 0) for row in rows]),
        ("health probe under photos, p50 / p99 / worst, ms", [_probes(row.live_ms) for row in rows]),
    ):
        lines.append([text, *values])
    return markdown(lines)


def markdown(lines: list[list[str]]) -> str:
    """Lay a table out; its first line is the head."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    head, *body = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([head, "|" + "|".join("-" * (width + 2) for width in widths) + "|", *body])


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Every figure of every round."""
    return [
        {
            "server": row.title,
            "problem": row.problem,
            "ready_s": row.ready_s,
            "start_mib": row.start_mib,
            "resident_mib": row.resident_mib,
            "live_ms": row.live_ms,
            "cells": [
                {"workload": name, "connections": connections, "rounds": [asdict(run) for run in runs]}
                for (name, connections), runs in row.cells.items()
            ],
        }
        for row in rows
    ]


def _cell(found: Measured | None) -> str:
    if found is None:
        return "–"
    failed = f" ({found.failed} failed)" if found.failed else ""
    return f"{found.per_s:,.0f}/s, p99 {found.p99_ms:.1f} ms, CPU {found.cpu_us:,.0f} µs{failed}"


def _median(values: list[float], digits: int) -> str:
    return f"{median(values):.{digits}f}" if values else "–"


def _probes(values: Iterable[float]) -> str:
    times = sorted(values)
    if len(times) < 2:
        return "–"
    cuts = quantiles(times, n=100, method="inclusive")
    return f"{cuts[49]:.1f} / {cuts[98]:.1f} / {times[-1]:.1f}"
