"""The Open Inference Protocol without a transport: what the model is, and what it answers; HTTP and gRPC share it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service.api.inference_types import ModelMetadata, TensorMetadata
from service.contract import MAX_PICTURES
from service.errors import NotFound, RequestError, ServiceError
from service.model.session import Outputs
from service.recognition.recogniser import readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.api.tensors import Tensor
    from service.recognition.async_recogniser import AsyncRecogniser


class Inference:
    """One recogniser as a model of the protocol.

    Where the labels are not just 0, 1, 2…, so that the index `digit` does not say it all, there is an output `label`.

    Args:
        recogniser: answers.

    Attributes:
        name, version, labels: of the model.
        image_shape: height and width of `images`.
        metadata: of the model, as the protocol's JSON has it.
    """

    def __init__(self, recogniser: AsyncRecogniser) -> None:
        self._recogniser = recogniser
        manifest = recogniser.manifest
        self.name, self.version, self.labels = manifest.name, manifest.version, manifest.labels
        self.image_shape = tuple(recogniser.session.image_shape)
        self._labels = None if is_plain(manifest.labels) else np.array([*manifest.labels, ""], object)  # -1: rejected
        label: list[TensorMetadata] = [{"name": "label", "datatype": "BYTES", "shape": [-1]}]
        self.metadata: ModelMetadata = {
            "name": self.name,
            "versions": [self.version],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": "images", "datatype": "UINT8", "shape": [-1, *self.image_shape]},
                {"name": "pictures", "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
                {"name": "logits", "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
                {"name": "digit", "datatype": "INT64", "shape": [-1]},
                *(label if self._labels is not None else []),
                {"name": "rejected", "datatype": "BYTES", "shape": [-1]},
            ],
            "parameters": {"provider": recogniser.session.provider, "sha256": manifest.sha256},
        }

    def missing(self, model: str, version: str | None) -> NotFound | None:
        """Return the error for an unknown model name or version, or None."""
        if model != self.name:
            return NotFound(f"there is no model {model[:100]!r}; the one that is served is {self.name!r}")
        if version is not None and version != self.version:
            return NotFound(
                f"model {self.name!r} has no version {version[:100]!r} that serves; "
                f"the one that does is {self.version!r}"
            )
        return None

    async def infer(self, tensor: Tensor, wanted: Collection[str] = ()) -> dict[str, NDArray[Any]]:
        """Classify images as they are, or pictures through preprocessing; return the outputs by name.

        Args:
            tensor: uint8 [N, 28, 28], or N encoded files.
            wanted: names of outputs. `rejected` is there for pictures, and for images only where it is wanted.

        Raises:
            RequestError: too many pictures, or one that is at fault; the message says which.
            Overloaded: too much waits already.
        """
        if isinstance(tensor, list):
            return await self._pictures(tensor)
        outputs, labels = await self._recogniser.tensors(tensor)
        tensors = self._tensors(outputs, labels)
        if "rejected" in wanted:  # only then: no tensor is ever rejected
            tensors["rejected"] = np.full(len(labels), "", object)
        return tensors

    async def _pictures(self, pictures: list[bytes]) -> dict[str, NDArray[Any]]:
        """Classify encoded files; a rejected one has digit -1 and its reason in `rejected`."""
        if len(pictures) > MAX_PICTURES:
            raise RequestError(f"the request has {len(pictures)} pictures, at most {MAX_PICTURES} are taken at once")
        prepared = await self._recogniser.prepare_all(pictures)
        for number, one in enumerate(prepared):
            if isinstance(one, ServiceError):
                raise type(one)(f"pictures[{number}]: {one}") from one
        answers = await self._recogniser.prepared(readable(prepared))
        predictions = [answer.prediction for answer in answers]
        outputs = Outputs(
            np.stack([answer.logits for answer in answers]),
            np.array([prediction.probabilities for prediction in predictions], np.float32),
        )
        digits = np.array([-1 if one.label is None else one.label for one in predictions], np.int64)
        reasons = np.array([one.rejected or "" for one in predictions], object)
        return {**self._tensors(outputs, digits), "rejected": reasons}

    def _tensors(self, outputs: Outputs, digits: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        tensors: dict[str, NDArray[Any]] = {
            "probabilities": outputs.probabilities,
            "logits": outputs.logits,
            "digit": digits,
        }
        if self._labels is not None:
            tensors["label"] = self._labels[digits]
        return tensors


def is_plain(labels: Sequence[str]) -> bool:
    """Tell whether the labels are 0, 1, 2 and so on."""
    return list(labels) == [str(place) for place in range(len(labels))]
