"""Joins requests that arrive together into one run of the network. A lone request is never delayed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from service.errors import Overloaded
from service.model.session import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

GATHERING_TURNS: Final = 8  # of the event loop, for a burst whose requests are read and decoded one after the other
RUNS_IN_A_ROW: Final = 4  # full batches, 1.1 ms each, before the event loop turns to its sockets and timers


class _Item(NamedTuple):
    images: NDArray[np.uint8]
    answer: asyncio.Future[Outputs]
    enqueued_at: float


class BatchStatistics(NamedTuple):
    """What one run looked like: its number of images, the wait of its oldest item, and its duration, in seconds."""

    images: int
    queue_s: float
    run_s: float


class Batcher:
    """A queue in front of one session, for one event loop.

    Nothing polls, and nobody waits for a clock: the first item asks the event loop for its next turn, and as long as
    each turn brings more items, they gather; then all are one batch (with `max_wait_s`, after that time instead).
    Small batches run on the event loop itself, because a thread's wake-up costs more than their arithmetic, a few in a
    row before it turns to its sockets again; larger ones run in a single worker thread while the next batch gathers.

    Args:
        run: uint8 [N, 28, 28] to Outputs; called with 1 ≤ N ≤ max_batch.
        max_batch: images in one run; an item with more is run alone, in pieces.
        max_wait_s: how long the first item of a batch waits for company.
        max_queue: images that may wait; an item that does not fit is refused.
        max_inline: batches up to so many images run on the event loop; 0 sends all to the thread (for a GPU).
        observe: called with BatchStatistics after each run.
    """

    def __init__(
        self,
        run: Callable[[NDArray[np.uint8]], Outputs],
        *,
        max_batch: int = 64,
        max_wait_s: float = 0.0,
        max_queue: int = 4096,
        max_inline: int = 64,
        observe: Callable[[BatchStatistics], None] | None = None,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_wait_s = max_wait_s
        self._max_queue = max_queue
        self._max_inline = max_inline
        self._observe = observe
        self._queue: deque[_Item] = deque()
        self._queued_images = 0
        self._timer: asyncio.Handle | None = None
        self._busy = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="session")

    async def submit(self, images: NDArray[np.uint8], *, admitted: bool = False) -> Outputs:
        """Classify uint8 images [N, 28, 28], N ≥ 1, and return exactly their rows.

        What belongs to a request that has waited its turn before is `admitted` to a full queue too.

        Cancelling the caller takes the item out of the queue. An error of the run reaches the item that caused it.

        Raises:
            Overloaded: the queue is full.
        """
        count = len(images)
        if not admitted and self._queued_images and self._queued_images + count > self._max_queue:
            raise Overloaded(
                f"the queue is full: {self._queued_images} images wait, the limit is {self._max_queue}; try again soon"
            )
        loop = self._loop or self._bind()
        item = _Item(images, loop.create_future(), perf_counter())
        self._queue.append(item)
        self._queued_images += count
        if not self._busy:
            if self._queued_images >= self._max_batch and self._timer is not None and self._max_wait_s:
                self._timer.cancel()
                self._timer = None
            if self._timer is None:
                wait = self._max_wait_s if self._queued_images < self._max_batch else 0
                self._timer = (
                    loop.call_later(wait, self._flush) if wait else loop.call_soon(self._gather, GATHERING_TURNS, 0)
                )
        return await item.answer

    def close(self) -> None:
        """Let the thread finish its run and end."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _bind(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _gather(self, turns: int, before: int) -> None:
        """Flush, unless the event loop's last iteration brought another request: then wait for one more."""
        if turns and before < len(self._queue) and self._queued_images < self._max_batch:
            self._timer = asyncio.get_running_loop().call_soon(self._gather, turns - 1, len(self._queue))
        else:
            self._flush()

    def _flush(self) -> None:
        """Take batches off the queue and run them; a run in the thread calls this again when it ends."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for _ in range(RUNS_IN_A_ROW):
            items, count = self._take()
            if not items:
                return
            started = perf_counter()
            queue_s = started - items[0].enqueued_at
            if count > self._max_inline:
                self._busy = True
                running = loop.run_in_executor(self._thread, self._run_items, items)
                running.add_done_callback(partial(self._after_thread, items, queue_s, started))
                return
            self._deliver(items, self._run_items(items), queue_s, started)
        if self._queue:
            self._timer = loop.call_soon(self._flush)

    def _take(self) -> tuple[list[_Item], int]:
        items: list[_Item] = []
        count = 0
        while self._queue:
            item = self._queue[0]
            if not item.answer.done():  # a cancelled request has left
                if items and count + len(item.images) > self._max_batch:
                    break
                items.append(item)
                count += len(item.images)
            self._queue.popleft()
            self._queued_images -= len(item.images)
        return items, count

    def _run_items(self, items: list[_Item]) -> list[Outputs | Exception]:
        """Run all items together; if that fails, run each alone, so that only the faulty one gets the error."""
        if len(items) == 1:
            return [self._attempt(items[0].images)]
        together = self._attempt(np.concatenate([item.images for item in items]))
        if isinstance(together, Exception):
            return [self._attempt(item.images) for item in items]
        results: list[Outputs | Exception] = []
        start = 0
        for item in items:  # np.split takes four times as long
            end = start + len(item.images)
            results.append(Outputs(together.logits[start:end], together.probabilities[start:end]))
            start = end
        return results

    def _attempt(self, images: NDArray[np.uint8]) -> Outputs | Exception:
        try:
            if len(images) <= self._max_batch:
                return self._run(images)
            parts = [self._run(images[i : i + self._max_batch]) for i in range(0, len(images), self._max_batch)]
            return Outputs(*(np.concatenate(rows) for rows in zip(*parts, strict=True)))
        except Exception as error:  # noqa: BLE001 - whatever a provider throws belongs to the callers
            return error

    def _after_thread(
        self, items: list[_Item], queue_s: float, started: float, done: asyncio.Future[list[Outputs | Exception]]
    ) -> None:
        self._busy = False
        self._deliver(items, done.result(), queue_s, started)
        if self._queue:
            self._flush()

    def _deliver(self, items: list[_Item], results: list[Outputs | Exception], queue_s: float, started: float) -> None:
        for item, result in zip(items, results, strict=True):
            if item.answer.done():  # the caller has left meanwhile
                continue
            if isinstance(result, Exception):
                item.answer.set_exception(result)
            else:
                item.answer.set_result(result)
        if self._observe is not None:
            images = sum(len(item.images) for item in items)
            self._observe(BatchStatistics(images, queue_s, perf_counter() - started))
