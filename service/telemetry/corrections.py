"""The metrics of corrections: by answer, by version, and the time of the newest."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from service.contract import Rejection
from service.feedback.correction import NO_DIGIT

if TYPE_CHECKING:
    from service.feedback.correction import Correction
    from service.model.artifact import Manifest


class CorrectionCounts:
    """Prometheus metrics of one worker's corrections; made only where corrections are taken."""

    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge  # noqa: PLC0415 - as in service/telemetry/metrics.py

        self._corrections = Counter(
            "digits_feedback_total", "Corrections by what was answered and what is right", ["answered", "right"]
        )
        self._rated = Counter(
            "digits_feedback_rated_total", "Answers that people spoke of, by version", ["version", "right"]
        )
        self._newest = Gauge(
            "digits_feedback_newest_timestamp_seconds", "When the newest correction came", multiprocess_mode="max"
        )

    def bind(self, manifest: Manifest) -> None:
        """Create all series of a version, so that a rate over the first event is right."""
        for right in ("true", "false"):
            self._rated.labels(manifest.version, right)
        for answered, right in product((*manifest.labels, *Rejection), (*manifest.labels, NO_DIGIT)):
            self._corrections.labels(answered, right)

    def add(self, correction: Correction) -> None:
        """Count one new correction; its labels are a model's, its reasons the contract's."""
        answered = correction.answered or correction.rejected or NO_DIGIT
        self._corrections.labels(answered, correction.label or NO_DIGIT).inc()
        self._rated.labels(correction.version, "true" if correction.confirms else "false").inc()
        self._newest.set_to_current_time()
