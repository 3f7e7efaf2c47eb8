"""How many pictures may wait: by how long the last ones took."""

from __future__ import annotations

import pytest

import service.recognition.admission
from service.errors import Overloaded
from service.recognition.admission import AT_LEAST, AT_MOST, Admission


class Clock:
    """A clock that stands still between pictures."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time, seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the admission reads."""
    one = Clock()
    monkeypatch.setattr(service.recognition.admission, "perf_counter", one)
    return one


def work_through(admission: Admission, clock: Clock, each_s: float) -> None:
    """Let 200 pictures be done one after the other, while more wait."""
    for _ in range(3):
        admission.enter()
    for _ in range(200):
        admission.enter()
        clock.now += each_s
        admission.leave(is_done=True)
    for _ in range(3):
        admission.leave(is_done=False)


@pytest.mark.parametrize(("each_s", "limit"), [(0.002, 500), (0.01, 100), (0.08, AT_LEAST), (0.0001, AT_MOST)])
def test_as_many_may_wait_as_are_done_within_a_second(clock: Clock, each_s: float, limit: int) -> None:
    """Quick ones many, slow ones few; and the rest are told to come again."""
    admission = Admission()
    work_through(admission, clock, each_s)
    admitted = admission.limit
    assert admitted == pytest.approx(limit, rel=0.05)
    for _ in range(admitted):
        admission.enter()
    with pytest.raises(Overloaded, match=f"{admitted} pictures wait to be decoded, the limit is {admitted}"):
        admission.enter()


def test_neither_a_pause_nor_clients_that_left_count(clock: Clock) -> None:
    """Time in which nobody waited says nothing, and an abandoned picture took none."""
    admission = Admission()
    work_through(admission, clock, 0.01)
    before = admission.limit
    clock.now += 3600
    admission.enter()
    admission.leave(is_done=True)
    for _ in range(20):
        admission.enter()
    for _ in range(20):
        admission.leave(is_done=False)
    assert admission.limit == before
