"""Chaos tests: overload, faults, hostile requests. Each promise of docs/lab/reliability.md is one check.

    python -m benchmarks.chaos [hostile fuzz slow overload stop kill rolling faults]

Starts its own servers. `rolling` needs haproxy, some of `faults` need root; both say so where they cannot run. The
status is 1 if a promise does not hold.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.chaos.endings import kill, rolling, stop
from benchmarks.chaos.faults import faults
from benchmarks.chaos.fuzz import fuzz
from benchmarks.chaos.hostile import hostile
from benchmarks.chaos.overload import overload, slow

CHECKS = (hostile, fuzz, slow, overload, stop, kill, rolling, faults)


def main() -> int:
    """Run the checks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", help="some of " + ", ".join(check.__name__ for check in CHECKS))
    wanted = parser.parse_args().checks
    failed = []
    for check in CHECKS:
        if not wanted or check.__name__ in wanted:
            good, detail = check()
            print(f"{'ok  ' if good else 'FAIL'} {check.__name__}: {check.__doc__}\n     {detail}", flush=True)
            failed += [] if good else [check.__name__]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
