"""The script for a GPU, run with the CPU in its place; nothing here judges a time."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import crowd, gpu, ways
from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL
from training.publish import parity


@pytest.fixture(autouse=True)
def one_small_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clients ask instead of a thousand."""
    monkeypatch.setattr(gpu, "CROWDS", (crowd.Crowd(2, 3, 8),))


def test_the_script_measures_every_part_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--provider cpu` it goes all the way, prints a table for each part, and writes the figures."""
    path = tmp_path / "gpu.json"
    options = ["--provider", "cpu", "--seconds", "0.01", "--batches", "1", "4", "--steps", "1", "--json", str(path)]
    assert gpu.main(options) == 0
    printed = capsys.readouterr().out
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert printed.count("|-") >= 6
    assert set(figures) == {"machine", "start_s", "parity", "latency_s", "batcher", "training"}
    assert figures["parity"]["cpu, bound"]["of_tolerance"] < 1
    assert figures["parity"]["cpu, bound"]["images"] == 1 + 4 + sum(gpu.ODD_BATCHES)
    ways_timed = {"cpu, 1 thread", f"cpu, {os.cpu_count()} threads", "cpu", "cpu, bound", "cpu, bound, no copies"}
    assert all(set(row) == ways_timed for row in figures["latency_s"].values())
    assert figures["batcher"][0]["cpu"]["images_a_run"] >= 3
    assert {row["cpu"]["format"] for row in figures["training"].values()} <= {"float32", "bfloat16"}


def test_a_missing_gpu_is_one_sentence_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    """Without CUDA the script says so and measures nothing in its place."""
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has a CUDA provider")
    assert gpu.main(["--batches", "1", "--without-training"]) == 1
    assert "DIGITS_PROVIDER" in capsys.readouterr().err


def test_a_way_that_answers_otherwise_is_seen() -> None:
    """A difference in one output of one image is found, with its share of the tolerance that an export must keep."""
    assert ways.TOLERANCE == parity.TOLERANCE
    reference = ways.all_ways(load_artifact(SHIPPED_MODEL), "cpu")[0]

    def wrong(images: ways.Images) -> ways.Call:
        logits, probabilities = reference.prepare(images)()
        logits[-1, logits[-1].argmin()] += 100
        return lambda: (logits, probabilities)

    found = ways.differences([reference, ways.Way("wrong", wrong)], [gpu.some_images(count) for count in (1, 4)])
    assert found["wrong"]["logits"] == pytest.approx(100, rel=1e-3)
    assert found["wrong"]["of_tolerance"] > 1
    assert found["wrong"]["other_digits"] == 2
    assert found["wrong"]["probabilities"] == 0


def test_the_images_are_of_the_network_and_the_same_each_time() -> None:
    """Drawn digits and noise: uint8 [N, 28, 28], no image of which is blank."""
    images = gpu.some_images(5)
    assert (images.shape, images.dtype) == ((5, 28, 28), np.uint8)
    assert images.any(axis=(1, 2)).all()
    assert (images == gpu.some_images(5)).all()
