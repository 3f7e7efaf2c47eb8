"""Triton's statistics extension: what the model has done, in the words of its clients.

Source: Triton's "Statistics Extension". `queue` and `compute_infer` are of runs of the network, in each of which
several requests may have a share; `compute_input` is of pictures, decoded and prepared.
"""

from __future__ import annotations

from typing import Annotated, Any

from typing_extensions import TypedDict

from service.api.schemas import Fact
from service.telemetry.activity import Activity, Total, read_activity


class Duration(TypedDict):
    """How often something was measured, and how long it took altogether, in nanoseconds."""

    count: int
    ns: int


class InferenceStatistics(TypedDict):
    """Requests for inference by their end, and the parts of their work; nothing is cached."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class VersionStatistics(TypedDict):
    """What one version has done since the service started, in all workers.

    Attributes:
        last_inference: when the network ran last, in milliseconds since 1970; 0 if never.
        inference_count: images that the network saw.
        execution_count: runs of the network.
        batch_stats: empty; `digits_batch_images` in /metrics has the sizes.
    """

    name: Annotated[str, Fact("name")]
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[Any]


class StatisticsAnswer(TypedDict):
    """The versions that have served since the start, or the one that was asked for."""

    model_stats: list[VersionStatistics]


def model_statistics(name: str, version: str | None = None) -> StatisticsAnswer:
    """Return what the versions of a model have done, or one of them alone; call it in a thread."""
    activity = read_activity()
    return {"model_stats": [_of(name, one, activity[one]) for one in sorted(activity) if version in (None, one)]}


def _of(name: str, version: str, activity: Activity) -> VersionStatistics:
    return {
        "name": name,
        "version": version,
        "last_inference": int(activity.last_s * 1000),
        "inference_count": int(activity.images.amount),
        "execution_count": activity.run.times,
        "inference_stats": {
            "success": _duration(activity.success),
            "fail": _duration(activity.fail),
            "queue": _duration(activity.queue),
            "compute_input": _duration(activity.picture),
            "compute_infer": _duration(activity.run),
            "compute_output": _duration(Total()),
            "cache_hit": _duration(Total()),
            "cache_miss": _duration(Total()),
        },
        "batch_stats": [],
    }


def _duration(total: Total) -> Duration:
    return {"count": total.times, "ns": int(total.amount * 1e9)}
