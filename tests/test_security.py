"""What SECURITY.md claims has a test of the name that it gives."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_claim_names_a_test_that_exists() -> None:
    """A test that was renamed or removed takes its claim with it."""
    claimed = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    tests = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(claimed) > 10
    assert claimed <= tests
