"""What all workers together have counted, read back by version; the metrics that it reads are in metrics.py."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

INFERENCES: Final = "digits_inference_seconds"
IMAGES: Final = "digits_batch_images"
QUEUE: Final = "digits_queue_seconds"
RUN: Final = "digits_run_seconds"
PICTURE: Final = "digits_picture_seconds"
LAST: Final = "digits_last_run_timestamp_seconds"
SUCCESS, FAIL = "success", "fail"


class Total(NamedTuple):
    """How often something was measured, and the sum, in seconds or images."""

    times: int = 0
    amount: float = 0.0


class Activity(NamedTuple):
    """All that one version has done since the service started.

    Attributes:
        success, fail: requests for inference, from the first byte to the answer.
        images: of each run of the network.
        queue: wait of each run's oldest image.
        run: time of each run.
        picture: decoding and preparing each picture.
        last_s: when the network ran last, in seconds since 1970; 0 if never.
    """

    success: Total
    fail: Total
    images: Total
    queue: Total
    run: Total
    picture: Total
    last_s: float


def read_activity() -> dict[str, Activity]:
    """Return what each version has done, by version; takes milliseconds, so call it in a thread.

    Where several workers count in files, it is the sum over all of them, whichever is asked, and lasts when one of them
    is replaced.
    """
    numbers: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for family in _families():
        for sample in family.samples:
            if "version" in sample.labels and not sample.name.endswith("_bucket"):
                key = sample.name + sample.labels.get("outcome", "")
                numbers[sample.labels["version"]][key] += sample.value
    return {version: _activity(values) for version, values in numbers.items() if f"{RUN}_count" in values}


def _families() -> Iterable[Any]:
    # Not at the top: prometheus_client chooses between one process and several when it is first imported.
    from prometheus_client import REGISTRY, CollectorRegistry  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        families: Iterable[Any] = MultiProcessCollector(CollectorRegistry()).collect()  # type: ignore[no-untyped-call]
        return families
    return REGISTRY.collect()


def _activity(values: defaultdict[str, float]) -> Activity:
    def total(name: str, outcome: str = "") -> Total:
        return Total(int(values[f"{name}_count{outcome}"]), values[f"{name}_sum{outcome}"])

    return Activity(
        total(INFERENCES, SUCCESS),
        total(INFERENCES, FAIL),
        total(IMAGES),
        total(QUEUE),
        total(RUN),
        total(PICTURE),
        values[LAST],
    )
