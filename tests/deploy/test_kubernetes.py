"""The Kubernetes manifests: valid to the letter, hardened, and in agreement with the service."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml
from serving import ROOT

from service.settings import PREFIX, Settings

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = ("base", "overlays/gpu", "overlays/grpc", "overlays/monitored")
GRPC_PORT = 50051
KUBERNETES = ("1.29", "1.37")  # the oldest and the newest that the checker knows and that one meets
LABEL = {"app.kubernetes.io/name": "digits"}
SLACK_S = 2


def built(name: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    command = ["kubectl", "kustomize", str(FOLDER / name)]
    return [*yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout)]


def one(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the pod specification of the deployment."""
    spec: dict[str, Any] = one(objects, "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_every_object_is_valid_to_the_letter(name: str, version: str) -> None:
    """Strict against the schemas: no field that Kubernetes does not know; the ServiceMonitor is none of its own."""
    for each in built(name):
        if each["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("base/[!k]*.yaml")), ids=lambda path: path.name)
def test_plain_files_are_valid_without_kustomize(path: Any) -> None:
    """Where there is no kubectl, at least the files themselves are checked; the deployment lacks only its selector."""
    manifest = yaml.safe_load(path.read_text())
    if manifest["kind"] == "Deployment":
        manifest["spec"]["selector"] = {"matchLabels": LABEL}
        manifest["spec"]["template"]["metadata"] = {"labels": LABEL}
    kubernetes_validate.validate(manifest, KUBERNETES[-1], strict=True)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_every_selector_takes_our_pods_and_no_others(name: str) -> None:
    """An empty selector would take every pod of the namespace."""
    objects = built(name)
    assert one(objects, "Deployment")["spec"]["template"]["metadata"]["labels"] == LABEL
    assert one(objects, "Deployment")["spec"]["selector"]["matchLabels"] == LABEL
    assert one(objects, "Service")["spec"]["selector"] == LABEL
    assert one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == LABEL
    assert one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABEL
    if name == "overlays/monitored":
        assert one(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"] == LABEL


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_the_pod_is_restricted(name: str) -> None:
    """What the "restricted" Pod Security Standard asks for, and a read-only root file system."""
    spec = pod(built(name))
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_the_grace_covers_the_whole_drain(name: str) -> None:
    """Before SIGKILL there is time for preStop, the lame duck and the longest request."""
    spec = pod(built(name))
    (container,) = spec["containers"]
    (_, pre_stop_s) = container["lifecycle"]["preStop"]["exec"]["command"]
    settings = Settings()
    needed = int(pre_stop_s) + settings.lame_duck_s + settings.request_s + SLACK_S
    assert spec["terminationGracePeriodSeconds"] > needed


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_every_setting_exists_and_its_value_is_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error in an environment variable would do nothing, silently."""
    (container,) = pod(built(name))["containers"]
    for entry in container["env"]:
        assert entry["name"].removeprefix(PREFIX).lower() in Settings.model_fields
        if "value" in entry:
            monkeypatch.setenv(entry["name"], entry["value"])
    Settings()


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_ports_and_probes_meet(name: str) -> None:
    """Service, policy, scrape and probes mean the ports of the container, and the image listens on that of HTTP."""
    objects = built(name)
    (container,) = pod(objects)["containers"]
    over_grpc = name == "overlays/grpc"
    ports = {"http": 3000} | ({"grpc": GRPC_PORT} if over_grpc else {})
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == ports
    assert "PORT=3000" in (ROOT / "Dockerfile").read_text()
    assert container["livenessProbe"]["httpGet"]["port"] == "http"
    for probe in ("startupProbe", "readinessProbe"):
        asked = container[probe]
        assert ("grpc" in asked, "httpGet" in asked) == (over_grpc, not over_grpc)
        assert asked["grpc"]["port"] == GRPC_PORT if over_grpc else asked["httpGet"]["port"] == "http"
    assert over_grpc or container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert [port["targetPort"] for port in one(objects, "Service")["spec"]["ports"]] == list(ports)
    assert one(objects, "NetworkPolicy")["spec"]["ingress"] == [{"ports": [{"port": port} for port in ports]}]


def test_the_grpc_overlay_opens_the_port_that_it_names() -> None:
    """The setting, the container's port and the Service's are one number."""
    objects = built("overlays/grpc")
    (container,) = pod(objects)["containers"]
    assert {"name": "DIGITS_GRPC_PORT", "value": str(GRPC_PORT)} in container["env"]
    assert one(objects, "Service")["spec"]["ports"][1]["port"] == GRPC_PORT
    assert str(GRPC_PORT) in (ROOT / "Dockerfile").read_text()


def test_a_gpu_pod_refuses_to_serve_without_its_gpu() -> None:
    """It asks for one, takes the image that can use it, and names the provider, so that nothing falls back."""
    (container,) = pod(built("overlays/gpu"))["containers"]
    assert container["image"].endswith(":gpu")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "DIGITS_PROVIDER", "value": "cuda"} in container["env"]


def test_the_scrape_meets_the_service() -> None:
    """The ServiceMonitor has the form of its custom resource, and names a port and a path that exist."""
    monitor = one(built("overlays/monitored"), "ServiceMonitor")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert set(monitor["spec"]) == {"selector", "endpoints"}
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]
