"""Another version is served from one request to the next, without one that is lost, and back again."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import tritonclient.http as triton
from PIL import Image, ImageDraw
from serving import BENTOML, Server, StartServer, start_server, wait_for

from service.api.repository import Repository
from service.errors import ArtifactError, ConfigurationError
from service.model.artifact import load_artifact, pinned_version
from service.settings import SHIPPED_MODEL, load_settings

KEY = {"authorization": "Bearer secret"}
SETTINGS = {"repository_api": "true", "api_key": "secret", "lame_duck_s": 0}
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ANSWERS = {"1": 1, "2": "one"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model's folder with the shipped weights as version 1 and, under other labels, as version 2."""
    return write_versions(tmp_path / "models" / "digits")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """One server that may change its version, and its model's folder; it ends with 0."""
    folder = tmp_path_factory.mktemp("repository")
    models = write_versions(folder / "models" / "digits")
    server = start_server(folder, BENTOML, model=models, **SETTINGS)
    yield server, models
    assert server.stop() == 0


@pytest.fixture
def client(running: tuple[Server, Path]) -> Iterator[httpx.Client]:
    """A client with the key, of that server, which serves version 1; only the versions 1 and 2 remain."""
    server, models = running
    with client_of(server) as client:
        load(client, "1").raise_for_status()
        yield client
    for version in models.glob("[3-9]"):
        shutil.rmtree(version)


def write_versions(folder: Path) -> Path:
    """Write versions 1 and 2, of which 1 is to serve."""
    add_version(folder, "1")
    add_version(folder, "2", labels=WORDS)
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
    return launch(model=models, **SETTINGS, **settings)


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


def counted(metrics: str, label: str) -> float:
    """Read from a scrape how often a label has been answered."""
    found = re.search(rf'^digits_predictions_total{{digit="{label}"}} (\S+)$', metrics, re.MULTILINE)
    assert found, metrics
    return float(found[1])


def test_versions_change_under_load_and_no_request_is_lost(running: tuple[Server, Path], client: httpx.Client) -> None:
    """Four clients ask all the time while the version changes six times: each answer is whole and of one version."""
    ended = threading.Event()
    answers: list[tuple[str, int | str]] = []
    problems: list[Exception] = []

    def ask() -> None:
        with client_of(running[0]) as asking:
            while not ended.is_set():
                try:
                    answers.append(said(asking))
                except (httpx.HTTPError, KeyError) as error:
                    problems.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
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


def test_everything_that_a_version_determines_changes_with_it(client: httpx.Client) -> None:
    """Routes, metadata, description, metrics and BentoML's own route follow; the old version's routes are gone."""
    assert client.get("/v2").json()["extensions"][-1] == "model_repository"
    load(client, "2").raise_for_status()
    assert client.get("/v2/models/digits").json()["versions"] == ["2"]
    assert client.get("/v2/models/digits/versions/2/ready").status_code == 200
    assert client.get("/v2/models/digits/versions/1/ready").status_code == 404
    assert "/v2/models/digits/versions/2" in client.get("/docs.json").json()["paths"]
    before = counted(client.get("/metrics").text, "one")
    assert said(client) == ("2", "one")
    metrics = client.get("/metrics").text
    assert 'digits_model_info{model="digits",provider="cpu",version="1"} 0.0' in metrics
    assert 'digits_model_info{model="digits",provider="cpu",version="2"} 1.0' in metrics
    assert counted(metrics, "one") == before + 1
    image = [[0] * 28] * 28
    assert len(client.post("/classify", json={"images": [image]}).raise_for_status().json()[0]) == 10


def test_what_was_loaded_is_served_after_a_restart(launch: StartServer, models: Path) -> None:
    """A version that was gone back from does not come again by itself, although it is the highest."""
    (models / "serving").unlink()
    first = start(launch, models)
    with client_of(first) as client:
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


def test_nvidias_client_lists_and_loads(client: httpx.Client) -> None:
    """Triton's own calls for its model repository work as they are; without a version they load the highest."""
    with triton.InferenceServerClient(client.base_url.netloc.decode()) as theirs:
        index = theirs.get_model_repository_index(headers=KEY)
        assert [(entry["version"], entry["state"]) for entry in index] == [("1", "READY"), ("2", "UNAVAILABLE")]
        theirs.load_model("digits", headers=KEY)
        index = theirs.get_model_repository_index(headers=KEY)
        assert [(entry["version"], entry["state"]) for entry in index] == [("1", "UNAVAILABLE"), ("2", "READY")]


def test_a_version_that_cannot_be_served_leaves_the_old_one_serving(
    running: tuple[Server, Path], client: httpx.Client
) -> None:
    """Damaged, of another name, or not there: one line that says so, and nothing else changes."""
    models = running[1]
    (add_version(models, "3") / "model.onnx").write_bytes(b"damaged")
    add_version(models, "4", name="letters")
    bad = {"3": (400, "damaged or was replaced"), "4": (400, "('letters', '4')"), "5": (404, "one of 1, 2, 3, 4")}
    for version, (status, message) in bad.items():
        answer = load(client, version)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
        assert message in answer.json()["error"]
    for body in (b"[]", b"{", b'{"parameters": {"version": 2}}', b'{"parameters": {"version": "../1"}}'):
        assert client.post("/v2/repository/models/digits/load", content=body).status_code in (400, 404)
    assert said(client) == ("1", 1)
    assert (models / "serving").read_text() == "1\n"


def test_without_the_key_or_the_setting_nobody_changes_anything(running: tuple[Server, Path], server: Server) -> None:
    """401 without the key; without the setting the versions are listed, and none is loaded."""
    for path, status in (("/v2/repository/index", 200), ("/v2/repository/models/digits/load", 400)):
        assert httpx.post(running[0].url + path).status_code == 401
        assert httpx.post(server.url + path).status_code == status


def test_each_version_has_statistics_of_its_own(client: httpx.Client) -> None:
    """What the first one did stays its own when the second serves; the index says which one that is."""

    def done() -> dict[str, int]:
        stats = client.get("/v2/models/stats").json()["model_stats"]
        return {one["version"]: one["execution_count"] for one in stats}

    load(client, "1").raise_for_status()
    said(client)
    before = done()
    load(client, "2").raise_for_status()
    assert said(client)[0] == "2"
    after = done()
    assert after["1"] == before["1"] > 0
    assert after["2"] > before.get("2", 0)
    (alone,) = client.get("/v2/models/digits/versions/2/stats").json()["model_stats"]
    assert (alone["version"], alone["execution_count"]) == ("2", after["2"])
    index = client.post("/v2/repository/index", json={"ready": True}).json()
    assert [(one["version"], one["state"]) for one in index] == [("2", "READY")]


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
