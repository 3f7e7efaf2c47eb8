"""The bento: what `bentoml build` packs, and that it serves by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from serving import ROOT, StartServer

OF_BENTOML = {"bentofile.yaml"}  # written by `bentoml build` itself


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the bento into a store of its own, and return its folder."""
    home = tmp_path_factory.mktemp("bentoml")
    environment = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "build", "--version", "test", str(ROOT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return home / "bentos" / "digit-service" / "test"


def test_it_holds_service_and_model_and_nothing_else(bento: Path) -> None:
    """No training, tests, caches or data travel along, and each file is the one of the checkout."""
    source = bento / "src"
    packed = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
    single = {"pyproject.toml", "README.md", "LICENSE", "requirements/cpu.txt"}
    others = [name for name in packed if not name.startswith(("service/", "models/")) and name not in single]
    assert set(others) <= OF_BENTOML
    for name, path in packed.items():
        if name not in OF_BENTOML:
            assert path.read_bytes() == (ROOT / name).read_bytes(), name
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "models").rglob("*") if path.is_file()}
    assert shipped <= set(packed)


def test_it_asks_for_the_runtime_that_it_needs(bento: Path) -> None:
    """ONNX Runtime is an extra of the package, which BentoML would not see: the pinned file names it."""
    assert "\nonnxruntime==" in (bento / "env" / "python" / "requirements.txt").read_text()


def test_it_serves_its_own_model(bento: Path, launch: StartServer, tmp_path: Path) -> None:
    """`bentoml serve <bento>` takes nothing of the checkout: a version that only the bento has is what it tells."""
    copy = Path(shutil.copytree(bento, tmp_path / "bento"))
    manifest = copy / "src" / "models" / "digits" / "1" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": "99"}))
    command = (sys.executable, "-m", "bentoml", "serve", str(copy), "--host", "127.0.0.1", "--port", "{port}")
    server = launch(command)
    assert httpx.get(f"{server.url}/v2/models/digits").json()["versions"] == ["99"]
