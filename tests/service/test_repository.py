"""Another version is served from one request to the next, without one that is lost, and back again."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.http as triton
from PIL import Image, ImageDraw
from serving import Server, StartServer

from service.artifact import load_artifact, pinned_version
from service.errors import ArtifactError, ConfigurationError
from service.repository import Repository
from service.settings import SHIPPED_MODEL, load_settings

KEY = {"authorization": "Bearer secret"}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ANSWERS = {"1": 1, "2": "one"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model's folder with the shipped weights as version 1 and, under other labels, as version 2."""
    folder = tmp_path / "models" / "digits"
    for version in ("1", "2"):
        add_version(folder, version, **({"labels": WORDS} if version == "2" else {}))
    (folder / "serving").write_text("1\n")
    return folder


def add_version(folder: Path, version: str, **changes: Any) -> Path:
    """Copy the shipped model under another version, with changes to its manifest."""
    target = folder / version
    shutil.copytree(load_artifact(SHIPPED_MODEL).folder, target)
    manifest = json.loads((target / "manifest.json").read_text()) | {"version": version} | changes
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def one() -> bytes:
    """A 1 drawn on white, as a PNG file."""
    canvas = Image.new("L", (120, 120), 255)
    ImageDraw.Draw(canvas).line([(60, 20), (60, 100)], 0, 10)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def start(launch: StartServer, models: Path, **settings: object) -> Server:
    """Start a server that may change its version."""
    return launch(model=models, repository_api="true", api_key="secret", lame_duck_s=0, **settings)


def load(client: httpx.Client, version: str | None = None) -> httpx.Response:
    """Ask for a version, or for the highest."""
    body = {"parameters": {"version": version}} if version else {}
    return client.post("/v2/repository/models/digits/load", json=body)


def client_of(server: Server) -> httpx.Client:
    """Make a client with the key."""
    return httpx.Client(base_url=server.url, headers=KEY, timeout=20)


def said(client: httpx.Client) -> tuple[str, int | str]:
    """Ask once; return the version that answered and what it said."""
    answer = client.post("/predict", files={"image": one()}).raise_for_status().json()
    return answer["model"]["version"], answer["digit"]


def wait_for(condition: Callable[[], bool], limit_s: float = 20) -> None:
    """Return once it holds; fail after the limit."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        threading.Event().wait(0.05)


def test_versions_change_under_load_and_no_request_is_lost(launch: StartServer, models: Path) -> None:
    """Four clients ask all the time while the version changes six times: each answer is whole and of one version."""
    server = start(launch, models)
    ended = threading.Event()
    answers: list[tuple[str, int | str]] = []
    problems: list[Exception] = []

    def ask() -> None:
        with client_of(server) as client:
            while not ended.is_set():
                try:
                    answers.append(said(client))
                except (httpx.HTTPError, KeyError) as error:
                    problems.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    with client_of(server) as client:
        for version in ("2", "1", "2", "1", "2", "1"):
            seen = len(answers)
            assert load(client, version).raise_for_status().json() == {"name": "digits", "version": version}
            wait_for(lambda seen=seen: len(answers) > seen + 20)  # type: ignore[misc]
    ended.set()
    for asker in askers:
        asker.join()
    assert problems == []
    assert {ANSWERS[version] == digit for version, digit in answers} == {True}
    assert {version for version, _ in answers} == {"1", "2"}
    assert server.stop() == 0


def test_everything_that_a_version_determines_changes_with_it(launch: StartServer, models: Path) -> None:
    """Routes, metadata, description, metrics and BentoML's own route follow; the old version's routes are gone."""
    with client_of(start(launch, models)) as client:
        assert client.get("/v2").json()["extensions"] == ["binary_tensor_data", "model_repository"]
        load(client, "2").raise_for_status()
        assert client.get("/v2/models/digits").json()["versions"] == ["2"]
        assert client.get("/v2/models/digits/versions/2/ready").status_code == 200
        assert client.get("/v2/models/digits/versions/1/ready").status_code == 404
        assert "/v2/models/digits/versions/2" in client.get("/docs.json").json()["paths"]
        assert said(client) == ("2", "one")
        metrics = client.get("/metrics").text
        assert 'digits_model_info{model="digits",provider="cpu",version="1"} 0.0' in metrics
        assert 'digits_model_info{model="digits",provider="cpu",version="2"} 1.0' in metrics
        assert 'digits_predictions_total{digit="one"} 1.0' in metrics
        image = [[0] * 28] * 28
        assert len(client.post("/classify", json={"images": [image]}).raise_for_status().json()[0]) == 10


def test_what_was_loaded_is_served_after_a_restart(launch: StartServer, models: Path) -> None:
    """A version that was gone back from does not come again by itself."""
    first = start(launch, models)
    with client_of(first) as client:
        load(client).raise_for_status()
        assert said(client)[0] == "2"
        load(client, "1").raise_for_status()
    first.stop()
    with client_of(start(launch, models)) as client:
        assert said(client)[0] == "1"


def test_every_worker_follows(launch: StartServer, models: Path) -> None:
    """A request reaches one worker; within moments all serve what it asked for."""
    server = start(launch, models, workers=2)
    with client_of(server) as client:
        load(client, "2").raise_for_status()

    def fresh() -> set[str]:  # new connections, which spread over the workers
        found = set()
        for _ in range(12):
            with client_of(server) as client:
                found.add(said(client)[0])
        return found

    wait_for(lambda: fresh() == {"2"})


def test_nvidias_client_lists_and_loads(launch: StartServer, models: Path) -> None:
    """Triton's own calls for its model repository work as they are; without a version they load the highest."""
    server = start(launch, models)
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        index = client.get_model_repository_index(headers=KEY)
        assert [(entry["version"], entry["state"]) for entry in index] == [("1", "READY"), ("2", "UNAVAILABLE")]
        client.load_model("digits", headers=KEY)
        index = client.get_model_repository_index(headers=KEY)
        assert [(entry["version"], entry["state"]) for entry in index] == [("1", "UNAVAILABLE"), ("2", "READY")]


def test_a_version_that_cannot_be_served_leaves_the_old_one_serving(launch: StartServer, models: Path) -> None:
    """Damaged, of another name, or not there: one line that says so, and nothing else changes."""
    (add_version(models, "3") / "model.onnx").write_bytes(b"damaged")
    add_version(models, "4", name="letters")
    bad = {"3": (400, "damaged or was replaced"), "4": (400, "('letters', '4')"), "5": (404, "one of 1, 2, 3, 4")}
    with client_of(start(launch, models)) as client:
        for version, (status, message) in bad.items():
            answer = load(client, version)
            assert (answer.status_code, list(answer.json())) == (status, ["error"])
            assert message in answer.json()["error"]
        for body in (b"[]", b"{", b'{"parameters": {"version": 2}}', b'{"parameters": {"version": "../1"}}'):
            assert client.post("/v2/repository/models/digits/load", content=body).status_code in (400, 404)
        assert said(client) == ("1", 1)
    assert (models / "serving").read_text() == "1\n"


def test_without_the_key_or_the_setting_nobody_changes_anything(launch: StartServer, models: Path) -> None:
    """401 without the key; no such routes without the setting."""
    server = start(launch, models)
    for path in ("/v2/repository/index", "/v2/repository/models/digits/load"):
        assert httpx.post(server.url + path).status_code == 401
    plain = launch(model=models)
    for path in ("/v2/repository/index", "/v2/repository/models/digits/load"):
        assert httpx.post(plain.url + path).status_code == 404


def test_the_setting_demands_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service does not start with routes by which anybody could change the model."""
    monkeypatch.setenv("DIGITS_REPOSITORY_API", "true")
    monkeypatch.delenv("DIGITS_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="DIGITS_REPOSITORY_API='true': value error, needs digits_api_key"):
        load_settings()


def test_a_single_versions_folder_is_no_repository(models: Path) -> None:
    """Where the operator has named one version, there is nothing to change to."""
    with pytest.raises(ConfigurationError, match="expected a model's folder"):
        Repository(models / "1", load_artifact(models / "1"), lambda _: None, lambda _: None)  # type: ignore[arg-type, return-value]


def test_a_file_that_names_no_version_stops_the_start(models: Path) -> None:
    """The message names the file and what it may say."""
    (models / "serving").write_text("9\n")
    with pytest.raises(ArtifactError, match=r"serving names version '9', expected one of 1, 2; correct it, or remove"):
        load_artifact(models)
    (models / "serving").unlink()
    assert pinned_version(models) is None
    assert load_artifact(models).manifest.version == "2"
