"""Where a process keeps its metrics: in memory, or in files that are summed over several processes.

Called before the first metric is made: prometheus_client and BentoML choose once.
"""

from __future__ import annotations

import os


def count_in_memory() -> None:
    """Keep this process's metrics in its memory.

    BentoML's files, one mapped into memory for each worker, would be one more thing that a full disk breaks; and they
    lie in a folder that two servers of one user share, where the second one's start deletes those of the first.
    """
    # Not at the top: the import of BentoML takes half a second.
    from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: PLC0415
    from bentoml._internal.server.metrics.prometheus import PrometheusClient  # noqa: PLC0415

    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))


def count_in_slot(slot: int) -> None:
    """Count in the files of this number (service/server/metric_files.py), not of the process id."""
    from prometheus_client import values  # noqa: PLC0415

    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
