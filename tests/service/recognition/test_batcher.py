"""The batcher joins requests without mixing them up, and lets nobody wait, or work, in vain."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import numpy as np
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import Overloaded
from service.model.session import Outputs
from service.recognition.batcher import GATHERING_TURNS, RUNS_IN_A_ROW, Batcher, BatchStatistics


def echo(images: NDArray[np.uint8]) -> Outputs:
    """A network whose answer names its input: logit 0 is the image's first pixel."""
    if (images[:, 0, 0] == 255).any():
        raise ValueError("a bad image")
    logits = np.zeros((len(images), 10), np.float32)
    logits[:, 0] = images[:, 0, 0]
    return Outputs(logits, logits + 1)


def image(value: int, count: int = 1) -> NDArray[np.uint8]:
    """Images that are all `value`."""
    return np.full((count, 28, 28), value, np.uint8)


class Recorder:
    """Counts the runs of a network, and can hold them up."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, images: NDArray[np.uint8]) -> Outputs:
        """Wait for the gate, note the size, answer."""
        self.gate.wait(10)
        self.sizes.append(len(images))
        return echo(images)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A recording network that is let go at the end."""
    one = Recorder()
    yield one
    one.gate.set()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run one scenario."""
    return asyncio.run(coroutine)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    max_batch=st.integers(1, 16),
    max_inline=st.integers(0, 16),
    wait=st.sampled_from([0.0, 0.001]),
)
def test_every_caller_gets_exactly_its_own_rows(sizes: list[int], max_batch: int, max_inline: int, wait: float) -> None:
    """Whatever the sizes and limits, answer i belongs to request i."""

    async def scenario() -> list[Outputs]:
        batcher = Batcher(echo, max_batch=max_batch, max_inline=max_inline, max_wait_s=wait)
        answers = await asyncio.gather(*(batcher.submit(image(i % 255, size)) for i, size in enumerate(sizes)))
        assert batcher._queued_images == 0
        batcher.close()
        return answers

    for number, (size, answer) in enumerate(zip(sizes, run(scenario()), strict=True)):
        assert answer.logits.shape == (size, 10)
        assert (answer.logits[:, 0] == number % 255).all()
        assert (answer.probabilities == answer.logits + 1).all()


def test_requests_that_arrive_together_share_a_run(recorder: Recorder) -> None:
    """Ten requests of one loop turn are one batch, and no run is larger than max_batch."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_batch=8, max_inline=8)
        await asyncio.gather(*(batcher.submit(image(i)) for i in range(10)))

    run(scenario())
    assert recorder.sizes == [8, 2]


@pytest.mark.parametrize(("arrivals", "sizes"), [(3, [3]), (GATHERING_TURNS + 4, [GATHERING_TURNS + 1, 3])])
def test_a_burst_is_one_batch_and_an_endless_one_is_not_waited_for(
    recorder: Recorder, arrivals: int, sizes: list[int]
) -> None:
    """Requests that come one in each turn of the loop gather, so many turns and no more."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_batch=64)
        tasks = []
        for number in range(arrivals):
            tasks.append(asyncio.ensure_future(batcher.submit(image(number))))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    run(scenario())
    assert recorder.sizes == sizes


def test_full_batches_run_in_a_row_and_then_the_loop_has_its_turn(recorder: Recorder) -> None:
    """A turn of the loop costs as much as a tenth of a run, but nobody else may wait for all that is queued."""

    async def scenario() -> list[int]:
        batcher = Batcher(recorder.run, max_batch=8, max_inline=8)
        tasks = [asyncio.ensure_future(batcher.submit(image(i, 8))) for i in range(2 * RUNS_IN_A_ROW + 1)]
        seen = []
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            seen.append(len(recorder.sizes))
        return sorted(set(seen))

    assert run(scenario()) == [0, RUNS_IN_A_ROW, 2 * RUNS_IN_A_ROW, 2 * RUNS_IN_A_ROW + 1]


def test_a_lone_request_is_sent_off_without_waiting(recorder: Recorder) -> None:
    """With no wait configured the loop's next turn runs it: no timer, no thread."""

    async def scenario() -> int:
        batcher = Batcher(recorder.run)
        task = asyncio.ensure_future(batcher.submit(image(1)))
        turns = 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert run(scenario()) <= 4
    assert recorder.sizes == [1]


def test_what_arrives_during_a_run_becomes_the_next_batch(recorder: Recorder) -> None:
    """While the thread is busy requests gather, and leave together when it is free."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_batch=8, max_inline=0)
        recorder.gate.clear()
        first = asyncio.ensure_future(batcher.submit(image(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        later = [asyncio.ensure_future(batcher.submit(image(i))) for i in range(5)]
        await asyncio.sleep(0)
        assert batcher._queued_images == 5
        recorder.gate.set()
        await asyncio.gather(first, *later)
        batcher.close()

    run(scenario())
    assert recorder.sizes == [1, 5]


def test_a_full_queue_refuses_and_recovers(recorder: Recorder) -> None:
    """One image more than the bound is refused with Retry-After's error; afterwards all is as before."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_inline=0, max_queue=3)
        recorder.gate.clear()
        running = asyncio.ensure_future(batcher.submit(image(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(batcher.submit(image(i))) for i in range(3)]
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(batcher.submit(image(3), admitted=True)))  # as the last part of a request
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match=r"4 images wait, the limit is 3"):
            await batcher.submit(image(9))
        recorder.gate.set()
        await asyncio.gather(running, *waiting)
        assert (await batcher.submit(image(9))).logits[0, 0] == 9
        batcher.close()

    run(scenario())


def test_an_item_larger_than_the_queue_is_still_served_when_nothing_waits(recorder: Recorder) -> None:
    """A large tensor alone runs in pieces of max_batch instead of being refused for ever."""

    async def scenario() -> Outputs:
        batcher = Batcher(recorder.run, max_batch=4, max_queue=2)
        answer = await batcher.submit(image(7, 10))
        batcher.close()
        return answer

    assert run(scenario()).logits.shape == (10, 10)
    assert recorder.sizes == [4, 4, 2]


def test_a_cancelled_request_leaves_the_queue_unrun(recorder: Recorder) -> None:
    """Work nobody waits for any more is not done."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_inline=0)
        recorder.gate.clear()
        running = asyncio.ensure_future(batcher.submit(image(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gone = asyncio.ensure_future(batcher.submit(image(2, 5)))
        stays = asyncio.ensure_future(batcher.submit(image(3)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        recorder.gate.set()
        await asyncio.gather(running, stays)
        assert gone.cancelled()
        assert batcher._queued_images == 0
        batcher.close()

    run(scenario())
    assert recorder.sizes == [1, 1]


@pytest.mark.parametrize("max_inline", [0, 16])
def test_an_error_reaches_only_the_item_that_caused_it(max_inline: int) -> None:
    """Its neighbours in the batch get their answers, and the next batch is served."""

    async def scenario() -> list[Any]:
        batcher = Batcher(echo, max_inline=max_inline)
        calls = [batcher.submit(image(value)) for value in (1, 255, 3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert (await batcher.submit(image(4))).logits[0, 0] == 4
        batcher.close()
        return answers

    first, bad, third = run(scenario())
    assert (first.logits[0, 0], third.logits[0, 0]) == (1, 3)
    assert isinstance(bad, ValueError)


def test_waiting_gathers_requests_of_several_turns(recorder: Recorder) -> None:
    """With max_wait_s the first request waits for company, and a full batch goes at once."""

    async def scenario() -> None:
        batcher = Batcher(recorder.run, max_batch=3, max_wait_s=60)
        tasks = []
        for i in range(3):
            tasks.append(asyncio.ensure_future(batcher.submit(image(i))))
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    run(scenario())
    assert recorder.sizes == [3]


def test_each_run_is_observed(recorder: Recorder) -> None:
    """Batch size, queue time and run time reach the metrics."""
    seen: list[BatchStatistics] = []

    async def scenario() -> None:
        batcher = Batcher(recorder.run, observe=seen.append)
        await asyncio.gather(*(batcher.submit(image(i)) for i in range(3)))

    run(scenario())
    assert [one.images for one in seen] == [3]
    assert all(one.queue_s >= 0 and one.run_s >= 0 for one in seen)


def test_a_run_of_less_than_a_millisecond_takes_its_time() -> None:
    """Not 0, as by uvloop's own clock, which stands still while the event loop is busy."""
    seen: list[BatchStatistics] = []

    def busy(images: NDArray[np.uint8]) -> Outputs:
        ends_at = time.perf_counter() + 0.0002
        while time.perf_counter() < ends_at:
            pass
        return echo(images)

    async def scenario() -> None:
        await Batcher(busy, observe=seen.append).submit(image(1))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
    assert seen[0].run_s >= 0.0002
