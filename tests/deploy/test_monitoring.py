"""Alert rules, dashboard and compose file, against a live scrape and the tools that read them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serving import ROOT, kill_group, start_server

from service.settings import PREFIX, Settings

DEPLOY = ROOT / "deploy"
OTHERS = {"up"}  # what Prometheus adds by itself


def promtool(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run Prometheus's own checker."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, check=False)


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    content: dict[str, Any] = json.loads((DEPLOY / "grafana" / "digits.json").read_text())
    return content


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Title and expression of each query, with Grafana's variables filled in."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$job", ".+")


def alert_queries() -> Iterator[tuple[str, str]]:
    """Name and expression of each alert."""
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a server that takes corrections tells after one request."""
    folder = tmp_path_factory.mktemp("monitoring")
    server = start_server(folder, lame_duck_s=0, feedback=folder / "feedback")
    httpx.post(f"{server.url}/predict", content=b"no picture", headers={"content-type": "image/png"})
    yield httpx.get(f"{server.url}/metrics").text
    kill_group(server.process)


def test_prometheus_takes_configuration_and_rules() -> None:
    """`promtool check config` reads both files."""
    done = promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_only_then() -> None:
    """`promtool test rules`: two hours of a healthy service, and two in which everything is wrong."""
    done = promtool("test", "rules", DEPLOY / "prometheus" / "alerts_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_live_scrape_is_well_formed(scraped: str) -> None:
    """`promtool check metrics` finds no syntax error, and nothing to say about the metrics that are ours."""
    done = promtool("check", "metrics", stdin=scraped)
    assert "error while linting" not in done.stdout + done.stderr
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("digits_")] == []


@pytest.mark.parametrize(("title", "query"), [*alert_queries(), *dashboard_queries()])
def test_each_query_asks_for_metrics_that_exist(scraped: str, title: str, query: str) -> None:
    """A renamed metric would leave an alert silent and a panel empty."""
    names = set(re.findall(r"\b(digits_\w+|up)\b(?=[{\[) ]|$)", query))
    assert names, title
    assert names - OTHERS <= set(re.findall(r"^([a-z_]+)[ {]", scraped, re.MULTILINE))


def test_prometheus_understands_each_query_of_the_dashboard(tmp_path: Path) -> None:
    """Each expression is one that Prometheus can parse."""
    rules = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(dashboard_queries())]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_panel_has_its_own_number_and_place() -> None:
    """Two panels with one number, or one on top of the other, are what editing by hand brings about."""
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    cells = [
        (place["x"] + dx, place["y"] + dy) for place in places for dx in range(place["w"]) for dy in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_compose_file_follows_its_schema() -> None:
    """check-jsonschema brings the Compose Specification's schema with it."""
    checker = shutil.which("check-jsonschema", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if checker is None:
        pytest.skip("check-jsonschema is not installed (pip install check-jsonschema)")
    command = [checker, "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_names_files_and_settings_that_exist() -> None:
    """Each mounted path is there, each DIGITS_ variable is a setting, and the service is as locked down as can be."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).exists(), source
    digits = services["digits"]
    assert {name.removeprefix(PREFIX).lower() for name in digits["environment"]} <= set(Settings.model_fields)
    assert (digits["read_only"], digits["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))
