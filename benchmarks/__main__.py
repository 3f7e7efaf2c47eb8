"""The command: measure, print the tables, write the figures and the picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.in_process import measure_in_process
from benchmarks.load import BenchmarkError, find_wrk
from benchmarks.plot import draw
from benchmarks.rounds import Plan, Row, measure_rounds
from benchmarks.servers import Server, servers
from benchmarks.table import as_json, markdown, write_tables
from benchmarks.workloads import WORKLOADS

DEFAULT = ("digits", "asgi", "fastapi", "bentoml")
PLOTTED = ("upload", "pixels1", "pixels64")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    lines = "\n".join(f"  {name:10} {workload.text}" for name, workload in WORKLOADS.items())
    options = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Load this service, and what else one could take, with the same requests on this machine.",
        epilog=f"workloads:\n{lines}\n\nCompare figures of one run only; another machine or hour has others.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--seconds", type=int, default=3, help="of load for each figure (default: 3)")
    options.add_argument("--rounds", type=int, default=3, help="of which medians are taken (default: 3)")
    options.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], metavar="N", help="(1 16 64)")
    options.add_argument("--workers", type=int, nargs="+", default=[1], metavar="N", help="processes a server (1)")
    options.add_argument("--only", nargs="+", default=list(DEFAULT), metavar="SERVER", help=", ".join(DEFAULT))
    options.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS, metavar="WORKLOAD")
    options.add_argument("--json", type=Path, help="write every figure of every round here")
    options.add_argument("--plot", type=Path, help="draw throughput and 99th percentile over connections here (PNG)")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options say; 0, or 1 with a sentence on stderr where that cannot be done."""
    options = parser().parse_args(arguments)
    try:
        find_wrk()
        plan = Plan(options.seconds, options.rounds, tuple(options.connections), tuple(options.workloads))
        chosen = choose(servers(), options.only)
        rows = [Row(server, workers) for workers in options.workers for server in chosen]
        measure_rounds(rows, plan, _say)
        print(write_tables(rows, plan.connections), flush=True)
        in_process = measure_in_process()
        print(f"\n{markdown(in_process)}")
        if options.json:
            options.json.write_text(json.dumps({"servers": as_json(rows), "in_process": in_process}, indent=1) + "\n")
        if options.plot:
            draw(rows, PLOTTED, options.plot)
    except BenchmarkError as error:
        _say(f"error: {error}")
        return 1
    return 1 if any(row.problem for row in rows) else 0


def choose(known: dict[str, Server], names: Sequence[str]) -> list[Server]:
    """The servers of these names, in this order.

    Raises:
        BenchmarkError: there is none of that name.
    """
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise BenchmarkError(f"there is no server {', '.join(unknown)}, expected some of {', '.join(known)}")
    return [known[name] for name in names]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
