"""The files in which several workers count: whole on disk before they are used, and as many as there are slots."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from namespaces import can_mount, in_namespace
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from serving import START_LIMIT_S, free_port, wait_for

import service.server.metric_files
from service.server.metric_files import SIZES, MetricFiles


def test_a_slot_has_its_room_on_disk_when_it_is_taken(tmp_path: Path) -> None:
    """A file with holes would be SIGBUS at the first write on a full disk."""
    assert MetricFiles(tmp_path).take() == 1
    for kind, size in SIZES.items():
        status = (tmp_path / f"{kind}_1.db").stat()
        assert status.st_size == size
        assert status.st_blocks * 512 >= size


def test_a_successor_goes_on_where_its_predecessor_ended(tmp_path: Path) -> None:
    """Counts stay, what was said of the present goes, and no file is added."""
    files = MetricFiles(tmp_path)
    slot = files.take()
    key = mmap_key("a", "a", [], [], "")
    for kind in ("counter", "gauge_livesum"):
        values = MmapedDict(str(tmp_path / f"{kind}_{slot}.db"))
        values.write_value(key, 3.0, 0.0)
        values.close()
    before = set(tmp_path.iterdir())
    files.give_back(slot)
    assert files.take() == slot
    assert set(tmp_path.iterdir()) == before
    assert next(iter(MmapedDict.read_all_values_from_file(str(tmp_path / f"counter_{slot}.db"))))[1] == 3.0
    assert list(MmapedDict.read_all_values_from_file(str(tmp_path / f"gauge_livesum_{slot}.db"))) == []


def test_where_there_is_no_room_a_worker_counts_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts all the same, leaves nothing half made, and the slots that are made stay usable."""
    files = MetricFiles(tmp_path)
    slot = files.take()
    before = set(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.server.metric_files, "_allocate", full)
    assert files.take() is None
    assert set(tmp_path.iterdir()) == before
    files.give_back(slot)
    assert files.take() == slot
    files.give_back(None)


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and text of the answer to a GET on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def counted(port: int) -> int:
    """Return how often all workers together say that they answered /docs.json."""
    found = re.findall(
        r'digits_request_seconds_count\{route="/docs.json",status="200"\} (\d+)', ask(port, "/metrics")[1]
    )
    return int(found[0])


@pytest.mark.skipif(not can_mount(), reason="needs root and unshare")
def test_a_temporary_folder_that_fills_up_costs_no_worker(tmp_path: Path) -> None:
    """Two workers count on, new series too, and one that dies comes back."""
    port = free_port()
    # Its own folder, not /tmp, below which this checkout may lie.
    small = f"mount -t tmpfs -o size=16m none '{tmp_path}'; export TMPDIR='{tmp_path}'"
    with in_namespace(small, port, "--workers", "2") as process:
        assert process.stderr is not None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        log = [process.stderr.readline().decode()]
        while not log[-1].startswith("listening"):
            log.append(process.stderr.readline().decode())
            assert log[-1], log
        wait_for(lambda: len(children.read_text().split()) == 2)
        with suppress(OSError), Path(f"/proc/{process.pid}/root{tmp_path}/full").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        workers = children.read_text().split()
        for path in json.loads(ask(port, "/docs.json")[1])["paths"]:
            for _ in range(8):  # some for each worker
                assert ask(port, path)[0] < 500
        assert children.read_text().split() == workers
        made = {path.name.rsplit("_", 1)[0] for path in Path(f"/proc/{process.pid}/root{tmp_path}").rglob("*.db")}
        assert made == set(SIZES)  # a kind that is not listed is not allocated either
        wait_for(lambda: counted(port) == 9)  # a worker counts an answer after it has sent it
        os.kill(int(workers[0]), signal.SIGKILL)
        wait_for(lambda: len(children.read_text().split()) == 2 and workers[0] not in children.read_text().split())
        for _ in range(8):
            assert ask(port, "/readyz")[0] == 200
        assert counted(port) == 9
        process.terminate()
        process.communicate(timeout=START_LIMIT_S)
        assert process.returncode == 0
