"""The model folder that training publishes and the service opens: `models/<name>/<version>/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import ArtifactError

MODEL_FILE: Final = "model.onnx"
MANIFEST_FILE: Final = "manifest.json"
# In a model's folder: the version that shall be served, where it is not the highest (service/api/repository.py).
SERVING_FILE: Final = "serving"


class Tensor(BaseModel):
    """Name, dtype and shape of one graph input or output; -1 stands for the batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    datatype: str
    shape: tuple[int, ...]


class Thresholds(BaseModel):
    """Rejection thresholds, fitted on validation data; None switches a test off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_confidence: float | None = Field(default=None, ge=0, le=1)
    max_energy: float | None = None


class DigitOdds(BaseModel):
    """The probability that a picture shows a digit, from the free energy: P = 1 / (1 + exp(slope * energy - offset)).

    Fitted on validation pictures of real digits and real signs, as much weight on the one as on the other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: float = Field(gt=0)
    offset: float


class Statistics(BaseModel):
    """Statistics of the training data, for drift: shares of the classes and of the ink's ranges.

    Ink is the number of an image's pixels that are not background; range i ends below `ink_edges[i]`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: int = Field(gt=0)
    class_shares: tuple[float, ...]
    ink_edges: tuple[int, ...]
    ink_shares: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Statistics:
        if len(self.ink_shares) != len(self.ink_edges) + 1:
            raise ValueError(
                f"{len(self.ink_shares)} ink_shares, expected {len(self.ink_edges) + 1}, one more than edges"
            )
        return self


class Manifest(BaseModel):
    """What the service needs to know about a model; other fields (recipe, metrics, parity) are for people and tools."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...]
    temperature: float = Field(gt=0)
    thresholds: Thresholds = Thresholds()
    digit_odds: DigitOdds | None = None
    layers: dict[str, str] = {}
    statistics: Statistics | None = None

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        if self.statistics is not None and len(self.statistics.class_shares) != len(self.labels):
            raise ValueError(
                f"{len(self.statistics.class_shares)} class_shares, expected {len(self.labels)} as of labels"
            )
        return self


@dataclass(frozen=True)
class Artifact:
    """A checked model folder: the manifest is complete and model.onnx has its SHA-256."""

    folder: Path
    manifest: Manifest
    model_bytes: bytes

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL_FILE


def latest_version(model_folder: Path) -> Path:
    """Return the folder of the highest version below `models/<name>/`; versions are whole numbers.

    Raises:
        ArtifactError: there is no version folder.
    """
    versions = versions_of(model_folder)
    if not versions:
        raise ArtifactError(
            f"no model version in {model_folder}: expected folders named 1, 2, …; "
            "run `make train export`, or point DIGITS_MODEL at a version's folder"
        )
    return model_folder / versions[-1]


def versions_of(model_folder: Path) -> list[str]:
    """Return the names of the version folders, from the lowest to the highest.

    Raises:
        ArtifactError: the folder cannot be opened.
    """
    return sorted((e.name for e in _entries(model_folder) if e.name.isdecimal() and e.is_dir()), key=int)


def pinned_version(model_folder: Path) -> Path | None:
    """Return the folder of the version that the file `serving` names, or None if there is no such file.

    Raises:
        ArtifactError: the file is unreadable or names no version that is there.
    """
    path = model_folder / SERVING_FILE
    if not _exists(path):
        return None
    name = _read(path)[:20].decode("ascii", "replace").strip()
    if name not in versions_of(model_folder):
        raise ArtifactError(
            f"{path} names version {name!r}, expected one of {', '.join(versions_of(model_folder))}; "
            "correct it, or remove it to serve the highest"
        )
    return model_folder / name


def load_artifact(folder: Path) -> Artifact:
    """Read and check a version folder, or a model folder's pinned or highest version.

    The whole file is read once and kept, so that what was checked is what is served, even if the file changes later.

    Raises:
        ArtifactError: a file is missing or unreadable, the manifest is malformed, or the SHA-256 differs.
    """
    if not _exists(folder / MANIFEST_FILE) and not _exists(folder / MODEL_FILE):
        folder = pinned_version(folder) or latest_version(folder)
    try:
        manifest = Manifest.model_validate_json(_read(folder / MANIFEST_FILE))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ArtifactError(f"{folder / MANIFEST_FILE} is not a valid manifest ({problems}); export again") from error
    model_bytes = _read(folder / MODEL_FILE)
    actual = hashlib.sha256(model_bytes).hexdigest()
    if actual != manifest.sha256:
        raise ArtifactError(
            f"{folder / MODEL_FILE} is damaged or was replaced: SHA-256 {actual}, "
            f"the manifest says {manifest.sha256}; restore the file or export again"
        )
    return Artifact(folder=folder, manifest=manifest, model_bytes=model_bytes)


def check_signature(manifest: Manifest, inputs: list[Any], outputs: list[Any]) -> None:
    """Compare a session's inputs and outputs (objects with name, type, shape) with the manifest.

    Raises:
        ArtifactError: a name, dtype or shape differs.
    """
    for kind, nodes, tensors in (("inputs", inputs, manifest.inputs), ("outputs", outputs, manifest.outputs)):
        actual = [(n.name, ONNX_TYPES.get(n.type, n.type), _shape(n.shape)) for n in nodes]
        expected = [(t.name, t.datatype, t.shape) for t in tensors]
        if actual != expected:
            raise ArtifactError(f"model.onnx has {kind} {actual}, the manifest says {expected}; export again")


ONNX_TYPES: Final = {"tensor(uint8)": "UINT8", "tensor(float)": "FP32", "tensor(int64)": "INT64"}


def _shape(shape: list[int | str]) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else -1 for size in shape)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ArtifactError(f"cannot open the model folder {folder}: {error.strerror or error}") from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # no permission to look
        raise ArtifactError(f"cannot open {path}: {error.strerror or error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from error
