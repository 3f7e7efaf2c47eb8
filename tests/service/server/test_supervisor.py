"""What the supervisor makes of signals, deaths and hanging workers, step by step, with stand-ins for the processes."""

from __future__ import annotations

import itertools
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import service.server.supervisor
from service.server.metric_files import MetricFiles
from service.server.supervisor import StartError, Supervisor
from service.server.worker import _has_gone

PATIENT = b"1000"


class Process:
    """A stand-in for a worker's process, which does what the test says."""

    made: list[Process]
    pids = itertools.count(1)

    def __init__(self, command: list[str], pass_fds: tuple[int, int], **_: object) -> None:
        self.number = int(command[command.index("--number") + 1])
        self.pipe = socket.socket(fileno=os.dup(pass_fds[1]))
        self.pid = next(self.pids)
        self.told: list[int] = []
        self.knew: list[bool] = []
        self.status: int | None = None
        self.killed = False
        self.made.append(self)

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self.status

    def send_signal(self, number: int) -> None:
        """Note what it is told, and whether it could know by then that nobody listens after it."""
        self.told.append(number)
        self.knew.append(_has_gone(self.pipe))

    def kill(self) -> None:
        """End by SIGKILL."""
        self.killed, self.status = True, -9

    def ready(self, patience: bytes = PATIENT) -> None:
        """Say that it is ready, and how long its end may take."""
        self.pipe.send(patience)


class Stage:
    """A supervisor and the processes that it has started, oldest first."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.processes = Process.made

    def step(self, *numbers: int) -> None:
        """Let it hear signals, and do all that is due."""
        self.supervisor._wake_write.send(bytes([*numbers, signal.SIGCHLD]))
        self.supervisor._step()

    def running(self) -> list[Process]:
        """Return the processes that have not ended."""
        return [one for one in self.processes if one.status is None]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Stage]]:
    """Make supervisors whose workers are stand-ins."""
    monkeypatch.setattr(Process, "made", [], raising=False)
    monkeypatch.setattr(service.server.supervisor.subprocess, "Popen", Process)
    made: list[Supervisor] = []

    def make(workers: int) -> Stage:
        listener = socket.create_server(("127.0.0.1", 0))
        made.append(Supervisor(workers, listener, MetricFiles(None), "listening"))
        for number in range(1, workers + 1):
            made[-1]._start(number)
        return Stage(made[-1])

    yield make
    for supervisor in made:
        for one in (supervisor._listener, supervisor._wake_read, supervisor._wake_write):
            one.close()
        for worker in supervisor._workers:
            worker.pipe.close()
    for process in Process.made:
        process.pipe.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("hangups", [1, 3, 7])
def test_as_many_workers_as_were_asked_for_remain_however_often_it_is_told_to_reload(
    stage: Callable[[int], Stage], workers: int, hangups: int
) -> None:
    """Signals while successors start are one more replacement afterwards: what they announce may have come too late."""
    one = stage(workers)
    for process in one.running():
        process.ready()
    one.step()
    for _ in range(hangups):
        one.step(signal.SIGHUP)
    assert len(one.running()) == 2 * workers
    for _ in range(3):  # start, be ready, end the old ones
        for process in one.running():
            if process.told:
                process.status = 0
            elif one.supervisor._workers[one.running().index(process)].ready is False:
                process.ready()
        one.step()
        one.step()
    for process in one.running():
        if process.told:
            process.status = 0
    one.step()
    assert sorted(process.number for process in one.running()) == list(range(1, workers + 1))
    assert len(one.processes) == workers * (2 if hangups == 1 else 3)


def test_a_reload_that_is_asked_for_too_early_is_done_afterwards(stage: Callable[[int], Stage]) -> None:
    """A worker that has not finished starting may have read the old model already."""
    one = stage(1)
    one.step(signal.SIGHUP)
    assert len(one.processes) == 1
    one.processes[0].ready()
    one.step()
    assert len(one.processes) == 2


def test_a_worker_that_dies_while_its_successor_starts_is_not_replaced_twice(stage: Callable[[int], Stage]) -> None:
    """The successor takes its place; and when that one dies too, one more is started."""
    one = stage(1)
    one.processes[0].ready()
    one.step(signal.SIGHUP)
    one.processes[0].status = -9
    one.step()
    assert len(one.running()) == 1
    one.processes[1].status = 1
    one.step()
    assert len(one.running()) == 1


def test_where_the_successor_cannot_start_the_old_worker_stays(stage: Callable[[int], Stage]) -> None:
    """A new model that is none costs nothing, and a later reload is done."""
    one = stage(1)
    one.processes[0].ready()
    one.step(signal.SIGHUP)
    one.processes[1].status = 1
    one.step()
    assert one.running() == [one.processes[0]]
    assert one.processes[0].told == []
    one.step(signal.SIGHUP)
    assert len(one.running()) == 2


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM])
@pytest.mark.parametrize("patience", [b"0", PATIENT])
def test_who_does_not_end_in_his_time_is_killed_and_nobody_before(
    stage: Callable[[int], Stage], how: int, patience: bytes
) -> None:
    """The time is what the worker's own settings allow its requests."""
    one = stage(1)
    one.processes[0].ready(patience)
    one.step()
    one.step(how)
    if how == signal.SIGHUP:
        one.processes[1].ready()
        one.step()
    one.step()
    assert one.processes[0].told == [signal.SIGTERM]
    assert one.processes[0].killed == (patience == b"0")


def test_a_worker_that_is_never_ready_is_killed_and_started_again(
    stage: Callable[[int], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs in its start would hold up every reload."""
    one = stage(1)
    one.processes[0].ready()
    one.step()
    monkeypatch.setattr(service.server.supervisor, "START_S", 0)
    one.step(signal.SIGHUP)
    one.step()
    assert one.processes[1].killed
    assert one.running() == [one.processes[0]]


def test_deaths_in_a_row_are_answered_ever_later(stage: Callable[[int], Stage]) -> None:
    """The first is replaced at once, the second only after a while."""
    one = stage(1)
    one.processes[0].ready()
    one.step()
    one.processes[0].status = -9
    one.step()
    assert len(one.processes) == 2
    one.processes[1].status = 1
    one.step()
    assert len(one.processes) == 2
    assert one.supervisor._due[0][1] == 1


def test_the_first_worker_that_cannot_start_ends_it(stage: Callable[[int], Stage]) -> None:
    """Nothing has ever served: the reason stands in the line above."""
    one = stage(2)
    one.processes[0].status = 1
    with pytest.raises(StartError, match="ended with status 1 before it was ready"):
        one.step()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_knows_that_nobody_will_listen_after_it(stage: Callable[[int], Stage], number: int) -> None:
    """Before it hears the signal: only then it may hold off new connections and shut the shared socket down."""
    one = stage(1)
    process: Any = one.processes[0]
    assert not _has_gone(process.pipe)
    one.step(number)
    one.step(signal.SIGTERM)  # a second one changes nothing
    assert process.told == [signal.SIGTERM]
    assert process.knew == [True]
