"""Where the true values come from: each source gives names and numbers, or says why it cannot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from benchmarks.figures.written import ROOT
from benchmarks.load import BenchmarkError, Measured, find_wrk
from benchmarks.rounds import Plan, Row, measure_rounds
from benchmarks.servers import running, servers

MODEL = ROOT / "models" / "digits" / "1"
MB = 1e6
LONE = ("upload", "drawing", "photo")  # what one user sends over one connection
_METRICS = """
from prometheus_client import generate_latest
from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL
from service.telemetry.corrections import CorrectionCounts
from service.telemetry.metrics import Metrics
manifest = load_artifact(SHIPPED_MODEL).manifest
CorrectionCounts().bind(manifest)
print(Metrics(manifest, "cpu").exposition(generate_latest().decode()))
"""


def model() -> dict[str, float]:
    """Count the parameters of the shipped ONNX file's layers."""
    from service.model.artifact import load_artifact  # noqa: PLC0415 - opens the model
    from training.publish.parity import network_in  # noqa: PLC0415 - torch

    return {"parameters": sum(prod(each.shape) for each in network_in(load_artifact(MODEL)).parameters())}


def card() -> dict[str, float]:
    """Read accuracy and calibration from the shipped model's manifest, in per cent."""
    return percentages(json.loads((MODEL / "manifest.json").read_text(encoding="utf-8"))["metrics"])


def percentages(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that the documents state, in per cent, by their names in STATEMENTS."""
    mean = {row["digits"]: row for row in metrics["real"]["rows"] if row["name"] == "mean of the sources"}
    shares = {
        "mnist": metrics["test"]["accuracy"],
        "mnist_ece": metrics["test"]["ece"],
        "real_ece": metrics["real"]["ece"],
        "digits_right": mean[True]["right"],
        "digits_rejected": mean[True]["rejected"],
        "digits_sure": mean[True]["confident"],
        "others_rejected": mean[False]["rejected"],
        "others_sure": mean[False]["confident"],
    }
    return {name: 100 * share for name, share in shares.items()}


def accuracy() -> dict[str, float]:
    """Answer MNIST's test set and the real validation pictures again, through the session that serves, in per cent."""
    # Not at the top: torch, which the other sources can do without.
    from service.model.artifact import load_artifact  # noqa: PLC0415
    from service.model.session import DigitSession  # noqa: PLC0415
    from service.recognition.second_look import look_twice  # noqa: PLC0415
    from training.data.mnist import data_folder, load_mnist  # noqa: PLC0415
    from training.errors import DataError  # noqa: PLC0415
    from training.judge.calibration import balanced  # noqa: PLC0415
    from training.judge.evaluate import evaluate_mnist  # noqa: PLC0415
    from training.judge.leaderboard import answer_all, calibration_error, leaderboard, to_json  # noqa: PLC0415
    from training.learn.runner import validation_pool  # noqa: PLC0415

    session = DigitSession(load_artifact(MODEL), provider="cpu")
    try:
        digits = load_mnist(data_folder(), train=False, download=False)
        pool = validation_pool(ROOT / "runs" / "leaderboard", data_folder())
    except DataError as error:
        raise BenchmarkError(str(error)) from error
    answers = answer_all(session.run, session.artifact.manifest, pool)
    rows = {"rows": to_json(leaderboard(answers, pool)), "ece": calibration_error(answers, pool, balanced(pool))}
    return percentages({"test": evaluate_mnist(partial(look_twice, session.run), digits), "real": rows})


def settings() -> set[str]:
    """List the settings of service/settings.py with their defaults, as the guide's table writes them."""
    from service.settings import SHIPPED_MODEL, Settings  # noqa: PLC0415 - pydantic

    def written(default: object) -> str:
        if default == SHIPPED_MODEL:
            return SHIPPED_MODEL.relative_to(ROOT).as_posix()
        return "none" if default in (None, ()) else str(default).lower() if isinstance(default, bool) else str(default)

    fields = {f"{name.upper()} {written(field.default)}" for name, field in Settings.model_fields.items()}
    return fields | {"DATA none"}  # of training and tests alone


def metrics() -> set[str]:
    """List the metrics that a worker exports."""
    # In a process of its own, since a process can register them once only.
    done = subprocess.run([sys.executable, "-c", _METRICS], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"the metrics cannot be listed: {done.stderr.strip()[-300:]}")
    names = re.findall(r"^# TYPE (digits_\w+)", done.stdout, re.MULTILINE)
    return {name for name in names if not name.endswith("_created")}


def sizes() -> dict[str, float]:
    """Weigh what the image holds: the packages of .venv (`make serve`), and the code with its model."""
    found = {"code_mb": weigh(ROOT / "service", "__pycache__") + weigh(ROOT / "models", "__pycache__")}
    packages = list((ROOT / ".venv").glob("lib/python*/site-packages"))
    if packages:
        found["packages_mb"] = weigh(packages[0], "__pycache__", "pip", "uv")
    return found


def weigh(folder: Path, *but: str) -> float:
    """Add up the files below a folder, in MB, without those of certain folders."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not {*path.parts} & {*but}) / MB


def service() -> dict[str, float]:
    """Start and load the service over one connection, and over 16 beside FastAPI and BentoML's quick start."""
    find_wrk()
    known = servers()
    rows = [Row(known[name]) for name in ("digits", "fastapi", "bentoml")]
    lone = Row(known["digits"])
    measure_rounds([lone], Plan(3, 3, (1,), LONE), _say)
    measure_rounds(rows, Plan(3, 3, (16,), ("upload",)), _say)
    if problem := next((row.problem for row in (*rows, lone) if row.problem), None):
        raise BenchmarkError(problem)
    many = [row.cells["upload", 16] for row in rows]
    rate = [sorted(run.per_s for run in runs)[len(runs) // 2] for runs in many]
    starts = sorted(rows[0].ready_s + lone.ready_s)
    return {
        # One connection waits for each answer, so the rate gives the mean latency.
        **{f"{name}_ms": 1e3 / _cell(lone, name).per_s for name in LONE},
        "fastapi": rate[0] / rate[1],
        "bentoml": rate[0] / rate[2],
        "ready_s": starts[len(starts) // 2],
        "resident_mib": max(rows[0].start_mib + lone.start_mib),
    }


def page() -> dict[str, float]:
    """Draw on the page in Chromium; the time from the end of a stroke to the feature maps."""
    if shutil.which("chromium") is None:
        raise BenchmarkError("chromium is not on the PATH; install it with `apt-get install chromium`")
    with running(servers()["digits"]) as server:
        command = [sys.executable, str(ROOT / "tests/browser/latency.py"), server.url, "2"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{command[1]} failed: {done.stderr.strip()[-300:]}")
    return {"page_median": float(done.stdout.split("median ")[1].split()[0])}


def _cell(row: Row, workload: str) -> Measured:
    found = row.cell(workload, 1)
    if found is None:
        raise BenchmarkError(f"{row.title} was not measured with {workload}")
    return found


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


SOURCES: Mapping[str, Callable[[], dict[str, float]]] = {
    "model": model,
    "card": card,
    "sizes": sizes,
    "accuracy": accuracy,
    "service": service,
    "page": page,
}
LISTS: Mapping[str, Callable[[], set[str]]] = {"settings": settings, "metrics": metrics}
