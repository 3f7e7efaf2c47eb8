"""The session: what the shipped model answers, and which provider is taken; a fake runtime plays the GPU."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from service.errors import ArtifactError, ConfigurationError, ProviderError
from service.model.artifact import Artifact, load_artifact
from service.model.session import DigitSession
from service.settings import SHIPPED_MODEL

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


class Node(NamedTuple):
    """An input or output as ONNX Runtime describes it."""

    name: str
    type: str
    shape: list[int | str]


class FakeRuntime(ModuleType):
    """ONNX Runtime as far as the service uses it.

    `available` is what the build has; a session that asks for one of `broken` raises, for one of `ignored` silently
    runs on the CPU, as the real one does where a driver or a library is missing.
    """

    def __init__(self, *available: str, broken: tuple[str, ...] = (), ignored: tuple[str, ...] = ()) -> None:
        super().__init__("onnxruntime")
        self.available, self.broken, self.ignored = [*available], broken, ignored
        self.options: dict[str, dict[str, str]] = {}
        self.preloads = 0
        self.shapes: list[tuple[int, ...]] = []
        self.SessionOptions = FakeOptions
        self.InferenceSession = self.open

    def get_available_providers(self) -> list[str]:
        """What this build was compiled with."""
        return self.available

    def preload_dlls(self) -> None:
        """Count the calls; the real one loads CUDA and cuDNN from their wheels."""
        self.preloads += 1

    def open(self, _model: bytes, _options: FakeOptions, *, providers: list[tuple[str, dict[str, str]]]) -> FakeSession:
        """Open a session, or fail as the runtime is told to."""
        ((name, options),) = providers
        self.options[name] = options
        if name in self.broken:
            raise RuntimeError(f"{name}: libcudnn.so.9 not found")
        return FakeSession([CPU] if name in (CPU, *self.ignored) else [name, CPU], self.shapes)


class FakeOptions:
    """SessionOptions, which take any attribute."""

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Accept any entry."""


class FakeSession:
    """A session whose logits are the first pixel of each image, and which notes the shapes that it runs."""

    def __init__(self, providers: list[str], shapes: list[tuple[int, ...]]) -> None:
        self._providers, self._shapes = providers, shapes

    def get_providers(self) -> list[str]:
        """What the session really runs on."""
        return self._providers

    def get_inputs(self) -> list[Node]:
        """The shipped model's signature."""
        return [Node("images", "tensor(uint8)", ["batch", 28, 28])]

    def get_outputs(self) -> list[Node]:
        """The shipped model's signature."""
        return [Node(name, "tensor(float)", ["batch", 10]) for name in ("logits", "probabilities")]

    def run(self, _names: Any, feed: dict[str, Any]) -> list[Any]:
        """Note the shape, and answer so that rows can be told apart."""
        images = feed["images"]
        self._shapes.append(images.shape)
        logits = np.repeat(images[:, 0, :1].astype(np.float32), 10, axis=1)
        return [logits, logits / 255]


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped model."""
    return load_artifact(SHIPPED_MODEL)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a fake runtime into the place of the real one."""

    def install(runtime: FakeRuntime) -> FakeRuntime:
        monkeypatch.setattr("service.model.session._runtime", lambda: runtime)
        return runtime

    return install


def test_a_batch_answers_as_its_images_one_by_one(artifact: Artifact) -> None:
    """The real session: rows do not depend on their neighbours, and probabilities sum to 1."""
    session = DigitSession(artifact, "cpu")
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    together = session.run(images)
    assert together.logits.shape == together.probabilities.shape == (7, 10)
    assert together.probabilities.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-5)
    for row in range(7):
        assert session.run(images[row : row + 1]).logits[0] == pytest.approx(together.logits[row], abs=1e-4)


def test_auto_takes_cuda_where_a_session_really_gets_it(artifact: Artifact, install: Any) -> None:
    """The libraries are loaded first, TF32 is off, and convolutions are not searched exhaustively."""
    runtime = install(FakeRuntime(TENSORRT, CUDA, CPU))
    assert DigitSession(artifact, "auto").provider == "cuda"
    assert runtime.preloads == 1
    assert runtime.options == {CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}


@pytest.mark.parametrize("trouble", ["broken", "ignored"])
def test_auto_falls_back_to_the_cpu_and_says_so(
    artifact: Artifact, install: Any, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    """A GPU build on a machine without a GPU serves, with a warning that names the reason."""
    install(FakeRuntime(CUDA, CPU, **{trouble: (CUDA,)}))
    with caplog.at_level(logging.WARNING):
        assert DigitSession(artifact, "auto").provider == "cpu"
    assert "'cuda'" in caplog.text
    assert "next provider" in caplog.text


@pytest.mark.parametrize("trouble", ["broken", "ignored"])
@pytest.mark.parametrize(("provider", "name"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_a_named_provider_that_cannot_be_had_stops_the_start(
    artifact: Artifact, install: Any, provider: str, name: str, trouble: str
) -> None:
    """Nobody who asked for a GPU is served by a CPU without knowing it."""
    install(FakeRuntime(TENSORRT, CUDA, CPU, **{trouble: (name,)}))
    with pytest.raises(ProviderError, match=provider):
        DigitSession(artifact, provider)


def test_a_provider_that_the_build_lacks_is_told_with_what_there_is(artifact: Artifact) -> None:
    """The real CPU build: the error names the providers it has and the package to install."""
    with pytest.raises(ProviderError, match=r"CPUExecutionProvider.*digit-service\[gpu\]"):
        DigitSession(artifact, "tensorrt")


def test_the_cpu_needs_no_gpu_libraries(artifact: Artifact, install: Any) -> None:
    """Asking for the CPU in a GPU build neither loads CUDA nor opens a session on it."""
    runtime = install(FakeRuntime(CUDA, CPU))
    assert DigitSession(artifact, "cpu").provider == "cpu"
    assert runtime.preloads == 0
    assert list(runtime.options) == [CPU]


def test_a_build_without_any_known_provider_is_an_error(artifact: Artifact, install: Any) -> None:
    """Even auto does not pretend."""
    install(FakeRuntime("CoreMLExecutionProvider"))
    with pytest.raises(ProviderError, match="CoreML"):
        DigitSession(artifact, "auto")


def test_a_gpu_sees_only_the_shapes_that_were_warmed(artifact: Artifact, install: Any) -> None:
    """Batches are padded to powers of two, and the callers get exactly their rows."""
    runtime = install(FakeRuntime(CUDA, CPU))
    session = DigitSession(artifact, "cuda")
    session.warm_up(48)
    warmed = set(runtime.shapes)
    assert {shape[0] for shape in warmed} == {1, 2, 4, 8, 16, 32, 64}
    for count in range(1, 49):
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 28, 28))
        outputs = session.run(images)
        assert outputs.logits[:, 0].tolist() == list(range(count))
        assert len(outputs.probabilities) == count
    assert set(runtime.shapes) == warmed


def test_the_cpu_runs_batches_as_they_are(artifact: Artifact, install: Any) -> None:
    """Padding would cost arithmetic there, and a new shape costs nothing."""
    runtime = install(FakeRuntime(CPU))
    DigitSession(artifact, "cpu").run(np.zeros((5, 28, 28), np.uint8))
    assert runtime.shapes == [(5, 28, 28)]


def test_a_missing_runtime_is_told_with_the_package_to_install(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime is an extra: without it the start ends with a remedy, not with an ImportError."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigurationError, match=r"digit-service\[cpu\]"):
        DigitSession(artifact, "auto")


def test_bytes_that_are_no_model_are_told_as_such(tmp_path: Path, artifact: Artifact) -> None:
    """ONNX Runtime's own error becomes ours, with the file's name."""
    broken = Artifact(folder=tmp_path, manifest=artifact.manifest, model_bytes=b"no model")
    with pytest.raises(ArtifactError, match=str(tmp_path)):
        DigitSession(broken, "cpu")


def test_the_runtime_does_not_phone_home(tmp_path: Path) -> None:
    """An opened session leaves none of the files in which ONNX Runtime keeps what it means to report."""
    code = (
        "from service.model.artifact import load_artifact; from service.model.session import DigitSession;"
        "from service.settings import SHIPPED_MODEL; DigitSession(load_artifact(SHIPPED_MODEL), 'cpu')"
    )
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environment = {**kept, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=SHIPPED_MODEL.parent.parent, check=True)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.gpu
def test_cuda_answers_as_the_cpu_does(artifact: Artifact) -> None:
    """With TF32 off the two differ by rounding alone, in every padded shape."""
    runtime = pytest.importorskip("onnxruntime")
    if CUDA not in runtime.get_available_providers():
        pytest.skip("this build of ONNX Runtime has no CUDA provider")
    on_cpu, on_gpu = DigitSession(artifact, "cpu"), DigitSession(artifact, "cuda")
    for count in (1, 3, 64):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        assert on_gpu.run(images).logits == pytest.approx(on_cpu.run(images).logits, abs=1e-3, rel=1e-4)
