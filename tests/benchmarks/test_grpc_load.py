"""The gRPC benchmark starts every server, checks its answer, and puts medians in a table."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import grpc_load
from benchmarks.grpc_load import CELLS, SERVERS, Load, measure_server
from benchmarks.servers import Server


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.title)
def test_every_server_answers_the_same_calls(server: Server) -> None:
    """Probabilities that add up to 1 for every image, at each number of connections and images."""
    found = measure_server(server, 0.05)
    assert set(found) == set(CELLS)
    assert all(load.per_s > 0 and load.p99_ms > 0 for load in found.values())


def test_the_table_has_medians_and_ratios(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A round that another program disturbed does not count; Triton is there where its interpreter is named."""
    rates = iter([100, 50, 900, 45, 110, 55])

    def measure(server: Server, _: float) -> dict[tuple[int, int], Any]:
        assert server.python == ("elsewhere" if server.title.startswith("Triton") else SERVERS[0].python)
        rate = next(rates) if server in (SERVERS[0], SERVERS[1]) else 10
        return dict.fromkeys(CELLS, Load(rate, 2.0, 300.0))

    monkeypatch.setattr(grpc_load, "measure_server", measure)
    assert grpc_load.main(["--rounds", "3", "--triton", "elsewhere"]) == 0
    head, _, first, *_ = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in head.split("|")[2:-1]] == [
        *(each.title for each in SERVERS),
        grpc_load.TRITON.title,
    ]
    assert "110/s (1.00 ×), p99 2.0 ms, CPU 300 µs" in first
    assert "50/s (0.45 ×)" in first
