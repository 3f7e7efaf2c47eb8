"""What is remembered of answers is bounded in number, bytes and time, and an id stands for one answer or none."""

from __future__ import annotations

from feedback_samples import Clock, answer

from service.feedback.recent import OVERHEAD, RecentAnswers


def test_an_answer_is_found_by_request_and_place() -> None:
    """Several pictures of one request are told apart."""
    recent = RecentAnswers()
    recent.add("a", 0, answer(0))
    recent.add("a", 1, answer(1))
    found = recent.find("a", 1)
    assert found is not None
    assert found.picture == answer(1).picture
    assert recent.find("a", 2) is None
    assert recent.find("b", 0) is None


def test_an_id_that_was_used_twice_finds_neither() -> None:
    """A caller may choose ids: one who takes another's cannot put a picture in its place."""
    recent = RecentAnswers()
    for seed in range(3):
        recent.add("a", 0, answer(seed))
        assert (recent.find("a", 0) is not None) == (seed == 0)
    assert len(recent) == 1


def test_the_oldest_are_forgotten_when_there_are_too_many_or_they_are_too_large() -> None:
    """Neither many small answers nor a few large ones fill the memory."""
    for recent in (
        RecentAnswers(most=3),
        RecentAnswers(most_bytes=sum(OVERHEAD + len(answer(seed).picture) for seed in (3, 4, 5))),
    ):
        for seed in range(6):
            recent.add(str(seed), 0, answer(seed))
        assert [recent.find(str(seed), 0) is not None for seed in range(6)] == [False] * 3 + [True] * 3
    recent = RecentAnswers(most_bytes=10)
    recent.add("large", 0, answer(0))
    assert (len(recent), recent.held_bytes) == (0, 0)


def test_after_a_while_an_answer_is_forgotten_though_nothing_else_happens() -> None:
    """The memory is empty then, not only silent."""
    clock = Clock()
    recent = RecentAnswers(seconds=60, now=clock)
    recent.add("a", 0, answer(0))
    clock.now = 59
    recent.add("b", 0, answer(1))
    assert recent.find("a", 0) is not None
    clock.now = 60
    recent.expire()
    assert len(recent) == 1
    clock.now = 1000
    assert recent.find("b", 0) is None
    assert recent.held_bytes == 0
