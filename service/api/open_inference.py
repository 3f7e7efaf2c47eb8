"""The Open Inference Protocol's routes: server and model metadata, health, and infer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from service import __version__
from service.api.open_inference_wire import HEADER_LENGTH, parse_infer, write_infer
from service.contract import MAX_PICTURES
from service.errors import NotFound, RequestError, ServiceError
from service.gateway.messages import Reply, Request, json_reply
from service.model.session import Outputs
from service.recognition.recogniser import readable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.gateway.dispatch import Handler
    from service.recognition.async_recogniser import AsyncRecogniser

EXTENSIONS = ("binary_tensor_data",)
_MODEL_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/.*)?", re.DOTALL)


class InferenceRoutes:
    """Handlers around one recogniser.

    Where the labels are not just 0, 1, 2…, so that the index `digit` does not say it all, there is an output `label`.

    Args:
        recogniser: answers.
        extensions: what the server can do beside, for its metadata.
    """

    def __init__(self, recogniser: AsyncRecogniser, extensions: Iterable[str] = ()) -> None:
        self._recogniser = recogniser
        self._extensions = [*EXTENSIONS, *extensions]
        manifest = recogniser.manifest
        self._name, self._version = manifest.name, manifest.version
        self._image_shape = tuple(recogniser.session.image_shape)
        self._labels = None if is_plain(manifest.labels) else np.array([*manifest.labels, ""], object)  # -1: rejected
        label = [] if self._labels is None else [{"name": "label", "datatype": "BYTES", "shape": [-1]}]
        self._metadata = {
            "name": self._name,
            "versions": [self._version],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": "images", "datatype": "UINT8", "shape": [-1, *self._image_shape]},
                {"name": "pictures", "datatype": "BYTES", "shape": [-1]},
            ],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
                {"name": "logits", "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
                {"name": "digit", "datatype": "INT64", "shape": [-1]},
                *label,
                {"name": "rejected", "datatype": "BYTES", "shape": [-1]},
            ],
            "parameters": {"provider": recogniser.session.provider, "sha256": manifest.sha256},
        }

    def routes(self) -> dict[str, dict[str, Handler]]:
        """Path to method to handler, for the model with and without its version."""
        table: dict[str, dict[str, Handler]] = {
            "/v2": {"GET": self.server},
            "/v2/health/live": {"GET": self.live},
            "/v2/health/ready": {"GET": self.ready},
        }
        for base in (f"/v2/models/{self._name}", f"/v2/models/{self._name}/versions/{self._version}"):
            table[base] = {"GET": self.model}
            table[f"{base}/ready"] = {"GET": self.model_ready}
            table[f"{base}/infer"] = {"POST": self.infer}
        return table

    def missing(self, path: str) -> NotFound | None:
        """Say what is wrong with a path that is none of the routes, where it names another model or version."""
        found = _MODEL_PATH.fullmatch(path)
        if found and found[1] != self._name:
            return NotFound(f"there is no model {found[1][:100]!r}; the one that is served is {self._name!r}")
        if found and found[2] not in (None, self._version):
            return NotFound(
                f"model {self._name!r} has no version {found[2][:100]!r} that serves; "
                f"the one that does is {self._version!r}"
            )
        return None

    async def server(self, _: Request) -> Reply:
        """Server metadata."""
        return json_reply({"name": "digit-service", "version": __version__, "extensions": self._extensions})

    async def live(self, _: Request) -> Reply:
        """Say that the process answers."""
        return json_reply({"live": True})

    async def ready(self, _: Request) -> Reply:
        """Say that the server takes requests."""
        return json_reply({"ready": True})

    async def model(self, _: Request) -> Reply:
        """Model metadata."""
        return json_reply(self._metadata)

    async def model_ready(self, _: Request) -> Reply:
        """Say that the model takes requests."""
        return json_reply({"name": self._name, "ready": True})

    async def infer(self, request: Request) -> Reply:
        """Classify one input tensor: `images` as they are, or `pictures` through preprocessing."""
        call = parse_infer(await request.body(), request.headers.get(HEADER_LENGTH), self._image_shape)
        if isinstance(call.tensor, list):
            return write_infer(self._name, self._version, call, await self._pictures(call.tensor))
        outputs, labels = await self._recogniser.tensors(call.tensor)
        tensors = self._tensors(outputs, labels)
        if any(output.name == "rejected" for output in call.outputs):  # only then: no tensor is ever rejected
            tensors["rejected"] = np.full(len(labels), "", object)
        return write_infer(self._name, self._version, call, tensors)

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
    """Tell whether each label is the number of its place."""
    return list(labels) == [str(place) for place in range(len(labels))]
