"""The metrics beside BentoML's own: requests, batches, pictures, answers, drift."""

from __future__ import annotations

import asyncio
import copy
from time import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from service.contract import Rejection
from service.telemetry import activity
from service.telemetry.drift import RECENT, DriftWindow, add_drift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.model.artifact import Manifest
    from service.recognition.batcher import BatchStatistics
    from service.recognition.verdict import Prediction

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SHORT: Final = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
IMAGES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONFIDENCES: Final = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1)
SAMPLED: Final = 2  # images of one tensor request whose confidence and ink are looked at; each costs 3 µs
PUBLISH_S: Final = 1.0
LAST_EVERY_S: Final = 0.01  # accuracy of the time of the last run; the gauge costs as much as half a histogram


class Metrics:
    """Prometheus metrics of one worker; a scrape returns the sum over the workers.

    Label values are bounded: routes come from the route table, classes and reasons from fixed lists, never from what a
    client wrote. All series exist from the start, so that a rate over a first event is right.

    Args:
        manifest: the model's; with its name, version, labels, and the statistics of its training data.
        provider: the short name of ONNX Runtime's provider.
    """

    def __init__(self, manifest: Manifest, provider: str) -> None:
        # Not at the top: prometheus_client chooses between one process and several when it is first imported, by a
        # variable that BentoML's worker sets at its start.
        from prometheus_client import Counter, Gauge, Histogram, Summary  # noqa: PLC0415

        self._seconds = Histogram(
            "digits_request_seconds", "Time to the answer, seconds", ["route", "status"], buckets=SECONDS
        )
        by = ["version"]
        self._by_version: dict[str, Any] = {
            activity.IMAGES: Histogram(activity.IMAGES, "Images in one run of the network", by, buckets=IMAGES),
            activity.QUEUE: Histogram(
                activity.QUEUE,
                "How long the oldest image of a batch waited for the network, seconds",
                by,
                buckets=SHORT,
            ),
            activity.RUN: Histogram(activity.RUN, "One run of the network, seconds", by, buckets=SHORT),
            activity.PICTURE: Histogram(
                activity.PICTURE, "Decoding and preparing one image file, seconds", by, buckets=SHORT
            ),
            activity.LAST: Gauge(activity.LAST, "When the network ran last", by, multiprocess_mode="max"),
        }
        self._inferences = Summary(
            activity.INFERENCES, "Time to the answer of a request for inference, seconds", [*by, "outcome"]
        )
        self._confidence = Histogram(
            "digits_confidence", "Confidence of answers that name a digit", buckets=CONFIDENCES
        )
        self._answers = Counter("digits_predictions_total", "Answers by digit", ["digit"])
        rejections = Counter("digits_rejections_total", "Images without an answer, by reason", ["reason"])
        self._rejections = {reason: rejections.labels(reason) for reason in Rejection}
        self._info = Gauge("digits_model_info", "1", ["model", "version", "provider"], multiprocess_mode="livemax")
        self._recent = Gauge(
            RECENT,
            "Counts of the last answers, from which drift is computed",
            ["of", "bin"],
            multiprocess_mode="livesum",
        )
        self._window: DriftWindow | None = None
        self._publishing: asyncio.TimerHandle | None = None
        self._routes: dict[tuple[str, int], Any] = {}
        self._bind(manifest, provider)

    def of(self, manifest: Manifest, provider: str) -> Metrics:
        """Return the same metrics for another version; the old version's answers leave the drift window."""
        other = copy.copy(self)
        self._window = None
        self._bound_info.set(0)
        other._bind(manifest, provider)  # noqa: SLF001 - its own class
        return other

    def _bind(self, manifest: Manifest, provider: str) -> None:
        self._predictions = [self._answers.labels(label) for label in manifest.labels]
        self._bound_info = self._info.labels(manifest.name, manifest.version, provider)
        self._bound_info.set(1)
        self._images, self._queue, self._run, self._picture, self._last = (
            metric.labels(manifest.version) for metric in self._by_version.values()
        )
        self._success, self._fail = (
            self._inferences.labels(manifest.version, outcome) for outcome in (activity.SUCCESS, activity.FAIL)
        )
        self._statistics = manifest.statistics
        self._window = DriftWindow(manifest.statistics) if manifest.statistics else None
        self._publishing = None
        self._last_set = 0.0

    def request(self, route: str, status: int, seconds: float, *, infers: bool = False) -> None:
        """Count one answered request; `infers` says whether it asked for inference."""
        bound = self._routes.get((route, status))
        if bound is None:  # looking the labels up costs more than counting
            bound = self._routes[route, status] = self._seconds.labels(route, str(status))
        bound.observe(seconds)
        if infers:
            (self._success if status < 400 else self._fail).observe(seconds)

    def batch(self, one: BatchStatistics) -> None:
        """Count one run of the network."""
        self._images.observe(one.images)
        self._queue.observe(one.queue_s)
        self._run.observe(one.run_s)
        now = time()
        if now - self._last_set >= LAST_EVERY_S:
            self._last.set(now)
            self._last_set = now

    def picture(self, seconds: float) -> None:
        """Count one picture that was decoded and prepared, or could not be."""
        self._picture.observe(seconds)

    def answer(self, image: NDArray[np.uint8], prediction: Prediction) -> None:
        """Count the answer to one picture, whose image uint8 [28, 28] the network saw."""
        if prediction.rejected is not None:
            self._rejections[prediction.rejected].inc()
        if prediction.label is not None:
            self._predictions[prediction.label].inc()
            self._observe(image, prediction.label, prediction.confidence)

    def tensors(
        self, images_u8: NDArray[np.uint8], labels: NDArray[np.int64], probabilities: NDArray[np.float32]
    ) -> None:
        """Count N answers to tensors, which are never rejected.

        Images are uint8 [N, 28, 28], labels int64 [N] the winning classes, probabilities float32 [N, classes].

        Each is counted by its class; confidence and ink are taken from at most SAMPLED of them, evenly spaced.
        """
        for label, count in enumerate(np.bincount(labels).tolist()):
            if count:
                self._predictions[label].inc(count)
        for row in range(0, len(labels), -(-len(labels) // SAMPLED)):
            self._observe(images_u8[row], int(labels[row]), float(probabilities[row, labels[row]]))

    def exposition(self, text: str) -> str:
        """Add the metrics that need the counts of all workers to the text of /metrics."""
        return add_drift(text, self._statistics)

    def publish(self) -> None:
        """Write the drift window to the gauges."""
        self._publishing = None
        if self._window is not None:
            for of, counts in (("classes", self._window.classes), ("ink", self._window.ink)):
                for number, count in enumerate(counts):
                    self._recent.labels(of, str(number)).set(count)

    def _observe(self, image: NDArray[np.uint8], label: int, confidence: float) -> None:
        self._confidence.observe(confidence)
        if self._window is not None:
            self._window.add(label, int(np.count_nonzero(image)))
            if self._publishing is None:  # not for each answer: 20 gauges cost 30 µs
                self._publishing = asyncio.get_running_loop().call_later(PUBLISH_S, self.publish)
