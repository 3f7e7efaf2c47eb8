"""The ways to run the network: on the processor, on a GPU, with and without IO binding, with and without TF32."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from service.model.artifact import Artifact
from service.model.session import PROVIDER_OPTIONS, DigitSession, open_session

Images = NDArray[np.uint8]
Call = Callable[[], Any]

TOLERANCE = 1e-4  # absolute and relative, as training/publish/parity.py demands of an export
BLOCK_S = 0.01  # calls are timed in blocks of this length at least
MIN_BLOCKS = 5
OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True)
class Way:
    """One way to run the network.

    Attributes:
        prepare: takes uint8 images [N, 28, 28], and gives a call that runs them and returns logits and probabilities.
        answers: False where the outputs stay on the GPU, so that there is nothing to compare.
    """

    title: str
    prepare: Callable[[Images], Call]
    answers: bool = True


def all_ways(artifact: Artifact, provider: str) -> list[Way]:
    """Open every way, the reference first: the processor on one thread, which is what serves without a GPU.

    Raises:
        ProviderError: the provider cannot be had.
    """
    threads = os.cpu_count() or 1
    ways = [_plain("cpu, 1 thread", artifact, "cpu", 1), _plain(f"cpu, {threads} threads", artifact, "cpu", threads)]
    for title, options in _variants(provider):
        # The service has no setting for TF32, which it keeps off. So its constant is changed while a session opens.
        with patch.dict(PROVIDER_OPTIONS, {provider: options}):
            ways += [_plain(title, artifact, provider, 1), *_bound(title, artifact, provider)]
    return ways


def differences(ways: Sequence[Way], batches: Sequence[Images]) -> dict[str, dict[str, float]]:
    """Hold every way against the first on all batches: largest differences, share of the tolerance, other answers."""
    expected = [ways[0].prepare(images)() for images in batches]
    found = {}
    for way in ways[1:]:
        if not way.answers:
            continue
        row = dict.fromkeys([*OUTPUTS, "of_tolerance"], 0.0) | {"images": 0, "other_digits": 0}
        for images, wanted in zip(batches, expected, strict=True):
            got = way.prepare(images)()
            for name, one, other in zip(OUTPUTS, got, wanted, strict=True):
                difference = np.abs(one.astype(np.float64) - other)
                row[name] = max(row[name], float(difference.max()))
                share = float((difference / (TOLERANCE + TOLERANCE * np.abs(other))).max())
                row["of_tolerance"] = max(row["of_tolerance"], share)
            row["images"] += len(images)
            row["other_digits"] += int((got[0].argmax(axis=1) != wanted[0].argmax(axis=1)).sum())
        found[way.title] = row
    return found


def latencies(ways: Sequence[Way], images: Images, seconds: float) -> dict[str, float]:
    """Time all ways by turns on one batch for so many seconds; seconds a call, the median over blocks of calls."""
    calls = {way.title: way.prepare(images) for way in ways}
    counts = {title: _calls_in_a_block(call) for title, call in calls.items()}
    blocks: dict[str, list[float]] = {title: [] for title in calls}
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at or len(blocks[ways[0].title]) < MIN_BLOCKS:
        for title, call in calls.items():
            blocks[title].append(_block(call, counts[title]))
    return {title: median(found) for title, found in blocks.items()}


def start(artifact: Artifact, provider: str, max_batch: int) -> tuple[DigitSession, dict[str, float]]:
    """Open the session that serves; with the seconds to open it, for its first image, and to warm up all batches."""
    began = time.perf_counter()
    session = DigitSession(artifact, provider)
    opened = time.perf_counter()
    session.run(np.zeros((1, *session.image_shape), np.uint8))
    first = time.perf_counter()
    session.warm_up(max_batch)
    return session, {"open": opened - began, "first": first - opened, "warm_up": time.perf_counter() - first}


def _variants(provider: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    options = PROVIDER_OPTIONS.get(provider, {})
    yield f"{provider}", options
    if "use_tf32" in options:
        yield f"{provider}, TF32", {**options, "use_tf32": "1"}


def _plain(title: str, artifact: Artifact, provider: str, threads: int) -> Way:
    """NumPy in, NumPy out: what the service does."""
    session, _ = open_session(artifact, provider, threads)
    name = artifact.manifest.inputs[0].name
    return Way(title, lambda images: lambda: session.run(OUTPUTS, {name: images}))


def _bound(title: str, artifact: Artifact, provider: str) -> list[Way]:
    """IO binding: with the images copied in and the outputs copied out each time, and with both left in place."""
    session, _ = open_session(artifact, provider, 1)
    name = artifact.manifest.inputs[0].name

    def bind(images: Images) -> tuple[Any, Any]:
        import onnxruntime  # noqa: PLC0415 - open_session sets it up first

        device = "cpu" if provider == "cpu" else "cuda"
        there = onnxruntime.OrtValue.ortvalue_from_numpy(images, device, 0)
        binding = session.io_binding()
        binding.bind_ortvalue_input(name, there)
        for output in OUTPUTS:
            binding.bind_output(output, device, 0)
        return binding, there

    def copying(images: Images) -> Call:
        binding, there = bind(images)

        def call() -> Any:
            there.update_inplace(images)
            session.run_with_iobinding(binding)
            return binding.copy_outputs_to_cpu()

        return call

    def resident(images: Images) -> Call:
        binding, _ = bind(images)
        return lambda: session.run_with_iobinding(binding)

    return [
        Way(f"{title}, bound", copying),
        Way(f"{title}, bound, no copies", resident, answers=False),
    ]


def _calls_in_a_block(call: Call) -> int:
    for _ in range(3):  # the first runs prepare the shape
        call()
    return max(1, int(BLOCK_S / _block(call, 1)))


def _block(call: Call, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count
