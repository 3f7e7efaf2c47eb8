"""A model folder is either sound and opened, or refused with one clear sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.errors import ArtifactError
from service.model.artifact import check_signature, latest_version, load_artifact
from service.settings import SHIPPED_MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model that a test may damage."""
    copy = tmp_path / "digits" / "1"
    shutil.copytree(latest_version(SHIPPED_MODEL), copy)
    return copy


def edit(folder: Path, **changes: Any) -> None:
    """Change fields of a manifest; None removes one."""
    path = folder / "manifest.json"
    manifest = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in manifest.items() if value is not None}))


def test_a_version_folder_and_its_model_folder_open_the_same_model(folder: Path) -> None:
    """DIGITS_MODEL may name a version, or a model whose highest version is taken, by number and not by name."""
    shutil.copytree(folder, folder.parent / "10")
    edit(folder.parent / "10", version="10")
    (folder.parent / "notes").mkdir()
    assert load_artifact(folder).manifest.version == "1"
    assert load_artifact(folder.parent).manifest.version == "10"


def flip_a_byte(folder: Path) -> None:
    """Damage the model file."""
    path = folder / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, r"damaged or was replaced: SHA-256 [0-9a-f]{64}, the manifest says [0-9a-f]{64}; restore"),
        (lambda folder: (folder / "model.onnx").unlink(), r"cannot read .*model.onnx: No such file"),
        (lambda folder: (folder / "manifest.json").unlink(), r"cannot read .*manifest.json: No such file"),
        (lambda folder: (folder / "manifest.json").write_text("{"), r"manifest.json is not a valid manifest"),
        (lambda folder: edit(folder, labels=None), r"not a valid manifest \(labels: Field required\); export again"),
        (lambda folder: edit(folder, sha256="abc"), r"not a valid manifest \(sha256: "),
        (lambda folder: edit(folder, temperature=0), r"not a valid manifest \(temperature: "),
        (lambda folder: [f.unlink() for f in folder.iterdir()], r"no model version in .*expected folders named 1, 2"),
        (lambda folder: shutil.rmtree(folder.parent), r"cannot open the model folder .*: No such file"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_remedy(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    """The error names the file, what it has and what was expected."""
    damage(folder)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder)


def node(name: str, kind: str, shape: list[int | str]) -> SimpleNamespace:
    """A graph input or output as ONNX Runtime describes it."""
    return SimpleNamespace(name=name, type=kind, shape=shape)


@pytest.mark.parametrize(
    "inputs",
    [
        [node("pixels", "tensor(uint8)", ["batch", 28, 28])],
        [node("images", "tensor(float)", ["batch", 28, 28])],
        [node("images", "tensor(uint8)", ["batch", 1, 28, 28])],
        [node("images", "tensor(uint8)", [1, 28, 28])],
        [],
    ],
)
def test_a_graph_unlike_its_manifest_is_refused(folder: Path, inputs: list[SimpleNamespace]) -> None:
    """Name, dtype, shape and the dynamic batch must be as the manifest says."""
    manifest = load_artifact(folder).manifest
    outputs = [node(tensor.name, "tensor(float)", ["batch", 10]) for tensor in manifest.outputs]
    check_signature(manifest, [node("images", "tensor(uint8)", ["batch", 28, 28])], outputs)
    with pytest.raises(ArtifactError, match=r"model.onnx has inputs .*, the manifest says .*; export again"):
        check_signature(manifest, inputs, outputs)
