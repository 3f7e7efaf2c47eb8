"""The KServe manifests, against the classes of KServe's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from serving import ROOT

from service.model.artifact import load_artifact
from service.settings import SHIPPED_MODEL

FILES = sorted((ROOT / "deploy" / "kserve").glob("*.yaml"))


def manifest(path: Path) -> dict[str, Any]:
    """Read a file of one object."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def unknown_fields(content: Any, kind: str, models: Any, where: str) -> list[str]:
    """Fields that a class of KServe's client (`V1beta1…`), or one below it, does not have."""
    of_list = kind.removeprefix("list[").removesuffix("]")
    if isinstance(content, list):
        return [field for each in content for field in unknown_fields(each, of_list, models, where)]
    model = getattr(models, kind, None)
    if model is None or not isinstance(content, dict):
        return []
    fields = {public: model.openapi_types[own] for own, public in model.attribute_map.items()}
    found = [f"{where}.{name}" for name in content if name not in fields]
    for name, value in content.items():
        if name in fields:
            found += unknown_fields(value, fields[name], models, f"{where}.{name}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_field_is_unknown_to_kserve(path: Path) -> None:
    """A misspelt field would be dropped by the cluster, or refuse the whole object."""
    models = pytest.importorskip("kserve.models")
    content = manifest(path)
    assert (content["apiVersion"], content["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert unknown_fields(content, "V1beta1InferenceService", models, "") == []


def test_the_checker_finds_a_misspelt_field() -> None:
    """The test above can fail."""
    models = pytest.importorskip("kserve.models")
    content = {"spec": {"predictor": {"model": {"modelFromat": {"name": "onnx"}}}}}
    assert unknown_fields(content, "V1beta1InferenceService", models, "") == [".spec.predictor.model.modelFromat"]


@pytest.mark.parametrize("name", ["custom", "grpc"])
def test_the_custom_predictors_are_valid_pods(name: str) -> None:
    """Container, volumes and security context are Kubernetes's own, and checked strictly as such."""
    predictor = manifest(ROOT / "deploy" / "kserve" / f"{name}.yaml")["spec"]["predictor"]
    for scaling in ("minReplicas", "maxReplicas", "timeout"):
        del predictor[scaling]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "digits"}, "spec": predictor}
    kubernetes_validate.validate(pod, "1.37", strict=True)


def test_probes_ask_for_the_model_that_is_served() -> None:
    """The readiness path of the protocol names the model."""
    (container,) = manifest(ROOT / "deploy" / "kserve" / "custom.yaml")["spec"]["predictor"]["containers"]
    name = load_artifact(SHIPPED_MODEL).manifest.name
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v2/models/{name}/ready"


def test_the_grpc_predictor_names_its_protocol_and_its_port() -> None:
    """One port, named h2c, which is that of the setting and of the readiness probe."""
    (container,) = manifest(ROOT / "deploy" / "kserve" / "grpc.yaml")["spec"]["predictor"]["containers"]
    (port,) = container["ports"]
    assert port["name"] == "h2c"
    assert container["readinessProbe"]["grpc"]["port"] == port["containerPort"]
    assert {"name": "DIGITS_GRPC_PORT", "value": str(port["containerPort"])} in container["env"]


def test_models_is_a_repository_as_triton_wants_it() -> None:
    """`<name>/<version>/model.onnx`, with whole numbers as versions, and a name that equals the manifest's."""
    found = [*SHIPPED_MODEL.parent.glob("*/*/model.onnx")]
    assert found
    for path in found:
        content = load_artifact(path.parent).manifest
        assert path.parent.name.isdecimal()
        assert (path.parent.parent.name, path.parent.name) == (content.name, content.version)
