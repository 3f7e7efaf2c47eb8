"""GitHub's workflow: valid, with few rights, and on the Pythons that package and guide claim."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml
from serving import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())["jobs"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands(job: str) -> set[str]:
    """The one-line commands of a job."""
    return {step["run"] for step in JOBS[job]["steps"] if "run" in step}


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_workflow_is_valid(schema: str) -> None:
    """GitHub's own schema, and a time limit on every job."""
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, WORKFLOW)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_runs_on_the_pythons_that_are_claimed() -> None:
    """Those of the package's classifiers, of docs/start.md, and the lowest that can be installed."""
    claimed = {line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    first = {step["with"]["python-version"] for step in JOBS["all"]["steps"] if "setup-python" in step.get("uses", "")}
    assert first | set(JOBS["further"]["strategy"]["matrix"]["python"]) == claimed
    assert {PROJECT["requires-python"].removeprefix(">=")} == first
    platforms = (ROOT / "docs" / "start.md").read_text().partition("## Platforms")[2]
    tested = [line for line in platforms.splitlines() if "`make serve`" in line]
    assert set(re.findall(r"\b3\.\d+\b", " ".join(line.split("|")[1] for line in tested))) == claimed


def test_it_runs_what_ci_runs() -> None:
    """The make targets and the script of .ci/run."""
    script = (ROOT / ".ci" / "run").read_text()
    for command in commands("all") | commands("further"):
        if "apt-get" not in command:
            assert command.partition(' "$(')[0] in script, command
    assert commands("all") >= {"make lint", "make test"}
    assert commands("further") >= {"make lint", "make test-service"}


def test_it_can_read_and_nothing_else() -> None:
    """The token's rights are those of a reader, and every action is pinned by its major version."""
    content = yaml.safe_load(WORKFLOW.read_text())
    assert content["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in JOBS.values())
    used = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)
