"""What serving a model costs: its size, the time to an answer, and the CPU time that a million images take."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import numpy as np
from torch import nn

from service.model.artifact import Artifact
from service.model.session import DigitSession
from training.network.convnet import ServedNet
from training.publish.export import trace

BATCH: Final = 64
ROUNDS: Final = 7


@dataclass(frozen=True)
class Cost:
    """Median times through the very session that serves, on one CPU thread."""

    size: int  # bytes
    single_us: float  # one image alone
    batch_us: float  # each image of a batch of BATCH
    cpu_s: float  # CPU seconds for a million images, in batches


def cost_of(artifact: Artifact, images: int = 4096) -> Cost:
    """Measure a model; each round runs so many images in batches and a quarter as many alone."""
    session = DigitSession(artifact, "cpu", threads=1)
    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, 28, 28), dtype=np.uint8)
    session.warm_up(BATCH)
    alone, together, cpu = [], [], []
    gc.collect()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for place in range(images // 4):
            session.run(pictures[place % BATCH][np.newaxis])
        alone.append((time.perf_counter() - started) / (images // 4))
        started, cpu_started = time.perf_counter(), time.process_time()
        for _ in range(images // BATCH):
            session.run(pictures)
        cpu.append((time.process_time() - cpu_started) / images)
        together.append((time.perf_counter() - started) / images)
    return Cost(len(artifact.model_bytes), 1e6 * median(alone), 1e6 * median(together), 1e6 * median(cpu))


def as_artifact(net: nn.Module, like: Artifact) -> Artifact:
    """Return a network of any kind as a model that can be opened, beside one whose manifest it borrows."""
    served = ServedNet(net.eval(), like.manifest.temperature).eval()  # type: ignore[arg-type]
    return replace(like, model_bytes=trace(served).SerializeToString())
