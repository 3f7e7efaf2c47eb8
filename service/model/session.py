"""The ONNX Runtime session; the service and training's parity check use the same class."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from service.errors import ArtifactError, ConfigurationError, ProviderError
from service.model.artifact import Artifact, check_signature

if TYPE_CHECKING:
    from types import ModuleType

    import onnxruntime as ort
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
AUTO_ORDER: Final = ("cuda", "cpu")
# TF32 off, so that CUDA keeps within the parity tolerance; an exhaustive convolution search would stall each new shape.
PROVIDER_OPTIONS: Final = {"cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}}


class Outputs(NamedTuple):
    """The network's outputs for N images: `logits` and `probabilities`, both float32 [N, classes]."""

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class DigitSession:
    """An open model: uint8 images [N, 28, 28] (0 background, 255 ink) in, `Outputs` out.

    Args:
        artifact: the checked model folder.
        provider: "cpu", "cuda", "tensorrt", or "auto", which takes CUDA where a session really gets it, else the CPU.
        threads: CPU threads within one operator. One is fastest for this network, which needs about 30 µs an image.

    Raises:
        ConfigurationError: no ONNX Runtime is installed.
        ProviderError: a provider was named and cannot be had.
        ArtifactError: ONNX Runtime refuses the file, or its signature differs from the manifest.
    """

    def __init__(self, artifact: Artifact, provider: str = "auto", threads: int = 1) -> None:
        self.artifact = artifact
        self._session, self.provider = open_session(artifact, provider, threads)
        check_signature(artifact.manifest, self._session.get_inputs(), self._session.get_outputs())
        self._input = artifact.manifest.inputs[0].name
        self.image_shape = artifact.manifest.inputs[0].shape[1:]
        self._is_padded = self.provider != "cpu"
        self._run = self._session.run

    def run(self, images_u8: NDArray[np.uint8]) -> Outputs:
        """Classify uint8 images [N, 28, 28], N ≥ 1.

        Off the CPU they are padded to the next power of two: a GPU provider prepares each new shape, which stalls the
        request that brings it, so that only shapes are run which `warm_up` has seen.
        """
        count = len(images_u8)
        if self._is_padded and count & (count - 1):
            padded = np.zeros((1 << count.bit_length(), *self.image_shape), np.uint8)
            padded[:count] = images_u8
            images_u8 = padded
        logits, probabilities = self._run(("logits", "probabilities"), {self._input: images_u8})
        return Outputs(logits[:count], probabilities[:count])

    def warm_up(self, max_batch: int = 32) -> None:
        """Run batches of powers of two up to `max_batch` or above, so that no request waits for memory or kernels."""
        for exponent in range((max_batch - 1).bit_length() + 1):
            self.run(np.zeros((1 << exponent, *self.image_shape), np.uint8))


def providers_to_try(provider: str) -> list[str]:
    """Return the short names to try in turn.

    Raises:
        ProviderError: this build of ONNX Runtime has none of them.
    """
    available = _runtime().get_available_providers()
    wanted = AUTO_ORDER if provider == "auto" else (provider,)
    found = [name for name in wanted if PROVIDERS.get(name) in available]
    if not found:
        raise ProviderError(
            f"provider {provider!r} is not in this build of ONNX Runtime, which has {available}; "
            "install digit-service[gpu], or set DIGITS_PROVIDER to auto or cpu"
        )
    return found


def open_session(artifact: Artifact, provider: str, threads: int) -> tuple[ort.InferenceSession, str]:
    """Return the session and the short name of the provider that it actually runs on."""
    failures = []
    for name in providers_to_try(provider):
        try:
            return _open_with(artifact, name, threads), name
        except ProviderError as error:
            failures.append(str(error))
            if provider == "auto":
                logger.warning("%s; trying the next provider", error)
    raise ProviderError("; ".join(failures))


def _open_with(artifact: Artifact, name: str, threads: int) -> ort.InferenceSession:
    runtime = _runtime()
    if name != "cpu" and hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = runtime.InferenceSession(
            artifact.model_bytes, options, providers=[(PROVIDERS[name], PROVIDER_OPTIONS.get(name, {}))]
        )
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        if name == "cpu":
            raise ArtifactError(f"ONNX Runtime cannot open {artifact.model_path}: {error}") from error
        raise ProviderError(f"provider {name!r} failed to start: {error}") from error
    # ONNX Runtime falls back to the CPU without an error: only the session itself tells what it took.
    if session.get_providers()[0] != PROVIDERS[name]:
        raise ProviderError(
            f"provider {name!r} was asked for, but the session runs on {session.get_providers()}; "
            "check the driver and the CUDA and cuDNN libraries, or set DIGITS_PROVIDER to auto or cpu"
        )
    return session


def _runtime() -> ModuleType:
    # Since 1.29 its Linux builds report each session to the maker's servers, and keep a device id in the home folder,
    # unless this is set before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - which of its builds is installed is the user's choice
    except ImportError as error:
        raise ConfigurationError(
            "ONNX Runtime is not installed: run `pip install 'digit-service[cpu]'`, "
            "or `pip install 'digit-service[gpu]'` on a machine with an NVIDIA GPU"
        ) from error
    runtime: ModuleType = onnxruntime
    return runtime
