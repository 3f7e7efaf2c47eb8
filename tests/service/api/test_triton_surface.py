"""The table of NVIDIA's clients in docs/api.md: every method of both, called on the running service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc_calls import start_grpc
from serving import ROOT, START_LIMIT_S, Server, start_server

PROGRAM = Path(__file__).with_name("triton_surface.py")
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def table() -> dict[str, tuple[str, str]]:
    """Method to what the guide says of it, over HTTP and over gRPC."""
    section = (ROOT / "docs" / "api.md").read_text().split("## NVIDIA's clients", 1)[1].split("\n## ", 1)[0]
    return {method: (http.strip(), grpc.strip()) for method, http, grpc in ROW.findall(section)}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """One server with HTTP and gRPC."""
    server, port = start_grpc(start_server, tmp_path_factory.mktemp("surface"), lame_duck_s=0)
    yield server, port
    assert server.stop() == 0, server.log_text()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_each_method_of_nvidias_client_does_what_the_guide_says(both: tuple[Server, int], protocol: str) -> None:
    """Answered where it says so; refused with the remedy that it names; no method is missing, and none is too many."""
    server, grpc_port = both
    port = str(server.port if protocol == "http" else grpc_port)
    command = [sys.executable, PROGRAM, protocol, port]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_LIMIT_S)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    said = {name: cells[protocol == "grpc"] for name, cells in table().items()}
    assert set(outcomes) == {name for name, cell in said.items() if cell != "–"}
    for name, outcome in outcomes.items():
        kind, _, why = said[name].partition(": ")
        assert outcome.startswith(kind), (name, outcome)
        for remedy in re.findall(r"`(\w+)`", why):
            assert remedy in outcome, (name, outcome)
