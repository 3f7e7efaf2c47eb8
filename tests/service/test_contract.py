"""The contract is written once: one line more there is seen by everything that a client or an operator sees."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

from serving import ROOT

# Runs in a process of its own, with one line more in the contract than on disk.
SCRIPT = """
import json, sys, types
from pathlib import Path

source = Path("service/contract.py").read_text()
line, more = {line!r}, {more!r}
assert line in source
module = types.ModuleType("service.contract")
sys.modules["service.contract"] = module
exec(source.replace(line, line + more), module.__dict__)

from prometheus_client import REGISTRY, generate_latest
from service.api.openapi import describe
from service.api.predict import PictureRoutes
from service.api.schemas import facts
from service.api.page import Page
from service.errors import UndecodablePicture
from service.model.artifact import load_artifact
from service.preprocess import preprocess
from service.settings import SHIPPED_MODEL, Settings
from service.telemetry.metrics import Metrics

manifest = load_artifact(SHIPPED_MODEL).manifest
routes = PictureRoutes(types.SimpleNamespace(manifest=manifest)).routes()
Metrics(manifest, "cpu")
try:
    preprocess(b"junk")
except UndecodablePicture as error:
    said = str(error)
print(json.dumps({{
    "openapi": json.dumps(describe(routes, facts(manifest, Settings(), []), has_keys=False)),
    "page": Page.load().get("/contract.js").body.decode(),
    "metrics": generate_latest(REGISTRY).decode(),
    "error": said,
}}))
"""


def seen_with(line: str, more: str) -> dict[str, str]:
    """What each place says when the contract has `more` behind `line`."""
    script = textwrap.dedent(SCRIPT.format(line=line, more=more))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, str] = json.loads(done.stdout)
    return seen


def test_a_new_rejection_reason_is_one_line() -> None:
    """The OpenAPI document, the metrics and the page know it."""
    seen = seen_with(
        '    BLANK = "blank", "There is nothing to read: no ink was found."\n',
        '    CUT_OFF = "cut_off", "The digit runs out of the picture."\n',
    )
    assert '"cut_off"' in seen["openapi"]
    assert 'digits_rejections_total{reason="cut_off"} 0.0' in seen["metrics"]
    assert "The digit runs out of the picture." in seen["page"]


def test_a_new_picture_format_is_one_line() -> None:
    """The OpenAPI document offers it, the error message names it, and the page's dialog for files shows such files."""
    seen = seen_with("FORMATS: Final = (\n", '    Format("PPM", "PPM", ("image/x-pixmap",), (".ppm",), rb"P6"),\n')
    assert "image/x-pixmap" in seen["openapi"]
    assert "PPM" in seen["error"]
    assert '".ppm"' in seen["page"]
