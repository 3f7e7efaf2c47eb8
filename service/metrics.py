"""What /metrics tells beyond BentoML's own: requests by route, batches, predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.batching import BatchStatistics

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Prometheus metrics of one worker; BentoML's registry adds up the workers.

    Label values are bounded: routes come from the route table, never from what a client wrote.
    """

    def __init__(self) -> None:
        # Not at the top: prometheus_client chooses between one process and several when it is first imported, by a
        # variable that BentoML's worker sets at its start.
        from prometheus_client import Counter, Histogram  # noqa: PLC0415

        self._requests = Counter("digits_requests_total", "Answered HTTP requests", ["route", "status"])
        self._seconds = Histogram("digits_request_seconds", "Time to the answer", ["route"], buckets=SECONDS)
        self._images = Histogram("digits_batch_images", "Images in one run of the network", buckets=IMAGES)
        self._queue = Histogram("digits_queue_seconds", "Wait of a batch's oldest image", buckets=SECONDS)
        self._run = Histogram("digits_run_seconds", "One run of the network", buckets=SECONDS)
        self._bound: dict[tuple[str, int], tuple[Any, Any]] = {}

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        bound = self._bound.get((route, status))
        if bound is None:  # looking the labels up costs more than counting
            bound = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._bound[route, status] = bound
        bound[0].inc()
        bound[1].observe(seconds)

    def batch(self, statistics: BatchStatistics) -> None:
        """Count one run of the network."""
        self._images.observe(statistics.images)
        self._queue.observe(statistics.queue_s)
        self._run.observe(statistics.run_s)
