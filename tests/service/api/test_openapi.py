"""The description at /docs.json is true: schemathesis derives requests from it, and every answer is as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
    assert not re.search(r"\b0 selected", done.stdout)


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


def test_what_needs_a_key_is_what_the_description_says(locked: Server) -> None:
    """Each route without a key: 401 where the description asks for one, anything else where it does not."""
    document = httpx.get(f"{locked.url}/docs.json").json()
    asked = {True: 0, False: 0}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            status = httpx.request(method, locked.url + path).status_code
            assert (status == 401) == ("security" in operation), (path, method)
            asked["security" in operation] += 1
    assert min(asked.values()) > 5


def test_every_operation_has_a_name_of_its_own(server: Server) -> None:
    """Generated clients call their methods by it."""
    paths = httpx.get(f"{server.url}/docs.json").json()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_all_who_ask_for_the_description_get_the_same(server: Server) -> None:
    """It is made when it is first asked for; eight at once are no trouble."""
    with ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(lambda _: httpx.get(f"{server.url}/docs.json").content, range(8)))
    assert len(set(documents)) == 1
