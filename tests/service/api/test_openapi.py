"""The description at /docs.json is true: schemathesis derives requests from it, and every answer is as it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from serving import Server

ROOT = Path(__file__).resolve().parents[3]
HOOKS = "schemathesis_hooks"


def test_every_answer_is_as_described(server: Server) -> None:
    """All checks of schemathesis pass on all routes; that none is left out is checked at every start."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs.json", "--checks", "all"),
        *("--phases", "coverage,fuzzing", "--max-examples", "2", "--seed", "1", "--generation-database", "none"),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT / "tests" / "service" / "api")}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "0 selected" not in done.stdout


def test_the_description_names_the_routes_of_the_design(server: Server) -> None:
    """Nothing that people build on has gone missing."""
    paths = httpx.get(f"{server.url}/docs.json").json()["paths"]
    model = "/v2/models/digits"
    assert {
        "/",
        "/predict",
        "/predict_batch",
        "/explain",
        "/v2",
        model,
        f"{model}/infer",
        "/metrics",
        "/readyz",
    } <= set(paths)
