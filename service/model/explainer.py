"""Explains one image: the output of each layer, and an occlusion map of the parts that decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.errors import ArtifactError
from service.model.artifact import Artifact
from service.model.explanation import Explanation
from service.model.session import open_session

MAPS: Final = ("conv1", "pool1", "conv2", "pool2", "fc1")
LAYERS: Final = ("input", *MAPS)  # the manifest says which tensors these are
WEIGHTS: Final = ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")  # as PyTorch names them

PATCH: Final = 6  # pixels: about the width of a stroke with its blur, so that hiding one breaks the stroke
STRIDE: Final = 2  # pixels between patches: 14 x 14 of them on a 28 x 28 image
CHUNK: Final = 49  # occluded images in one run, which bounds the memory of a request to about 2 MB

# Field numbers of onnx.proto, the same in every version of ONNX.
MODEL_GRAPH, GRAPH_OUTPUT, VALUE_NAME = 7, 12, 1


class Explainer:
    """A second session on the same model bytes, with the inner tensors as further outputs.

    It always runs on the CPU with one thread: a look inside is one image, for a person.

    Args:
        artifact: the checked model folder; its manifest's `layers` names the tensors.

    Raises:
        ArtifactError: the manifest names no such layers, or the graph has no tensors of those names.
    """

    def __init__(self, artifact: Artifact) -> None:
        layers = artifact.manifest.layers
        missing = [name for name in LAYERS if name not in layers]
        if missing:
            raise ArtifactError(
                f"the manifest in {artifact.folder} has no {missing} in `layers`, so its layers cannot be shown; "
                "export again"
            )
        self._tensors = {name: layers[name] for name in LAYERS} | {name: name for name in WEIGHTS}
        tapped = replace(artifact, model_bytes=with_outputs(artifact.model_bytes, list(self._tensors.values())))
        self._session, _ = open_session(tapped, "cpu", 1)
        self._input = artifact.manifest.inputs[0].name
        self._labels = artifact.manifest.labels
        shape = artifact.manifest.inputs[0].shape[1:]
        blank, full = (self._look(np.full((1, *shape), value, np.uint8))["input"] for value in (0, 255))
        self._input_range = (float(blank.flat[0]), float(full.flat[0]))

    def explain(self, image_u8: NDArray[np.uint8], winner: int | None = None) -> Explanation:
        """Run one uint8 image [28, 28] through the network and keep all outputs, then hide it patch by patch.

        Occlusion is for the class `winner`; without one, for the likeliest at this one pass.
        """
        probabilities = self._classify(image_u8[np.newaxis])[0]
        if winner is None:
            winner = int(probabilities.argmax())
        tensors = self._look(image_u8[np.newaxis])
        return Explanation(
            image=image_u8,
            probabilities=probabilities,
            labels=self._labels,
            maps={name: tensors[name][0] for name in MAPS},
            weights={name: tensors[name] for name in WEIGHTS},
            input_range=self._input_range,
            occlusion=self._occlusion(image_u8, probabilities, winner),
            patch=(PATCH, STRIDE),
        )

    def _occlusion(
        self, image_u8: NDArray[np.uint8], probabilities: NDArray[np.float32], winner: int
    ) -> NDArray[np.float32]:
        """Blank one patch after another; Zeiler and Fergus, Visualizing and Understanding ConvNets (2014), 4.2."""
        hidden, grid = occluded(image_u8)
        changed = np.flatnonzero((hidden != image_u8).any(axis=(1, 2)))  # the others cannot change the answer
        drop = np.zeros(len(hidden), np.float32)
        for start in range(0, len(changed), CHUNK):
            places = changed[start : start + CHUNK]
            drop[places] = probabilities[winner] - self._classify(hidden[places])[:, winner]
        return drop.reshape(grid)

    def _classify(self, images_u8: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = self._session.run(("probabilities",), {self._input: images_u8})[0]
        return result

    def _look(self, images_u8: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        values = self._session.run(list(self._tensors.values()), {self._input: images_u8})
        return dict(zip(self._tensors, values, strict=True))


def occluded(image_u8: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return uint8 [rows x columns, height, width], copies with one patch each set to background, and (rows, columns).

    Patch (r, c) is centred on the STRIDE x STRIDE cell (r, c) and cut off at the border, so the cells tile the image.
    """
    height, width = image_u8.shape
    rows, columns = height // STRIDE, width // STRIDE
    hidden = np.repeat(image_u8[np.newaxis], rows * columns, axis=0)
    margin = (PATCH - STRIDE) // 2
    for row in range(rows):
        for column in range(columns):
            top, left = row * STRIDE - margin, column * STRIDE - margin
            hidden[row * columns + column, max(0, top) : top + PATCH, max(0, left) : left + PATCH] = 0
    return hidden, (rows, columns)


def with_outputs(model_bytes: bytes, names: list[str]) -> bytes:
    """Return the model with further graph outputs, without a protobuf library.

    A message that is parsed from two serialised ones in a row is their merge: repeated fields are appended. So a second
    ModelProto that holds nothing but `graph.output` entries, put behind the first, adds them to its graph. See
    https://protobuf.dev/programming-guides/encoding/#last-one-wins.
    """
    outputs = b"".join(_field(GRAPH_OUTPUT, _field(VALUE_NAME, name.encode())) for name in names)
    return model_bytes + _field(MODEL_GRAPH, outputs)


def _field(number: int, payload: bytes) -> bytes:
    """Encode one length-delimited protobuf field (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
