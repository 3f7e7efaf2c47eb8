"""Corrections over HTTP: whoever answered, nothing of the sender, nothing without the operator's key."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import Server, StartServer, kill_group, start_server

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = {"Authorization": "Bearer operator"}


class Feedback(NamedTuple):
    """A service of two workers that takes corrections, and its folder."""

    server: Server
    folder: Path

    def ask(self, data: bytes, **headers: str) -> httpx.Response:
        """Have a picture answered, on a connection of its own, by either worker."""
        return httpx.post(f"{self.server.url}/predict", content=data, headers={"Content-Type": "image/png", **headers})

    def correct(self, said: Any = None, **request: Any) -> httpx.Response:
        """Send a correction, as JSON unless the request is given otherwise."""
        return httpx.post(f"{self.server.url}/feedback", **({"json": said} if said is not None else request))

    def listed(self) -> dict[str, Any]:
        """Return all corrections by id, as the operator sees them."""
        answer = httpx.get(f"{self.server.url}/feedback", headers=OPERATOR).raise_for_status().json()
        assert answer["count"] == len(answer["corrections"])
        return {each["id"]: each for each in answer["corrections"]}


@pytest.fixture(scope="module")
def feedback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feedback]:
    """Share one service among the tests of this module."""
    folder = tmp_path_factory.mktemp("feedback") / "corrections"
    server = start_server(
        folder.parent, workers=2, feedback=folder, feedback_key="operator", feedback_per_minute=100_000
    )
    yield Feedback(server, folder)
    kill_group(server.process)


def seven(at: int) -> bytes:
    """Draw a 7, each at a place of its own."""
    canvas = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(canvas).line([(40 + at, 40), (130 + at, 40), (80 + at, 160)], 0, 14)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def test_an_answer_is_corrected_by_its_id_whichever_worker_is_asked(feedback: Feedback) -> None:
    """Twelve answers over as many connections; what is kept is the picture and who answered."""
    for number in range(12):
        answer = feedback.ask(seven(number))
        made = feedback.correct({"id": answer.headers["x-request-id"], "digit": 1}).raise_for_status().json()["id"]
        entry = feedback.folder / "waiting" / made
        assert (entry / "picture.png").read_bytes() == seven(number)
        found = feedback.listed()[made]
        assert (found["digit"], found["answered"], found["version"]) == ("1", "7", "1")
        assert found["disputed"].startswith("the model was")
        seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["seen"]))))
        assert seen.shape == (28, 28)


def test_one_picture_of_many_is_corrected_by_its_place(feedback: Feedback) -> None:
    """Those that could not be read keep their place, and cannot be corrected."""
    files = [("images", data) for data in (seven(20), b"broken", seven(21))]
    answer = httpx.post(f"{feedback.server.url}/predict_batch", files=files)
    wanted = answer.headers["x-request-id"]
    made = feedback.correct({"id": wanted, "place": 2, "digit": None}).raise_for_status().json()["id"]
    assert made.startswith("none-")
    assert (feedback.folder / "waiting" / made / "picture.png").read_bytes() == seven(21)
    assert feedback.correct({"id": wanted, "place": 1, "digit": 7}).status_code == 404


def test_a_picture_is_corrected_without_an_id(feedback: Feedback) -> None:
    """As a form; it is answered first, so that what would have been said is known. Twice is once."""
    form = {"files": {"image": seven(30)}, "data": {"digit": "none"}}
    made = [feedback.correct(**form).raise_for_status().json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert feedback.listed()[made[0]]["digit"] is None
    assert feedback.listed()[made[0]]["answered"] == "7"


def test_nothing_of_the_sender_is_kept(feedback: Feedback) -> None:
    """Neither headers, nor ids, nor addresses, nor what the picture's file says beside the picture."""
    canvas = Image.open(io.BytesIO(seven(31))).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = "ada-secret"
    file = io.BytesIO()
    canvas.save(file, "JPEG", exif=exif, comment=b"ada-secret")
    feedback.ask(file.getvalue(), **{"X-Request-ID": "ada-secret", "User-Agent": "ada-secret"})
    said = {"id": "ada-secret", "digit": 7}
    feedback.correct(json=said, headers={"Cookie": "ada=ada-secret"}).raise_for_status()
    kept = b"".join(path.read_bytes() for path in feedback.folder.rglob("*") if path.is_file())
    assert b"ada-secret" not in kept
    assert b"127.0.0.1" not in kept


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"id": 7, "digit": 7}, 400),
        ({"id": "x"}, 400),
        ({"id": "x" * 200, "digit": 7}, 400),
        ({"id": "x", "digit": 10}, 400),
        ({"id": "x", "digit": True}, 400),
        ({"id": "x", "digit": "seven"}, 400),
        ({"id": "x", "digit": {}}, 400),
        ({"id": "x", "digit": 7, "place": -1}, 400),
        ({"id": "x", "digit": 7, "place": "0"}, 400),
        ({"id": "unknown", "digit": 7}, 404),
        ({"id": "../../etc", "digit": 7}, 404),
    ],
    ids=str,
)
def test_what_is_no_correction_is_refused_with_its_reason(feedback: Feedback, content: object, status: int) -> None:
    """Never a 500, and nothing is kept."""
    answer = feedback.correct(content)
    assert answer.status_code == status
    assert "expected" in answer.text or "send the picture" in answer.text
    assert feedback.correct(content=json.dumps(content), headers={"Content-Type": "text/plain"}).status_code == 415
    assert feedback.correct(files={"image": b"no picture"}, data={"digit": "7"}).status_code == 422
    assert feedback.correct(files={"image": seven(1)}, data={"digits": "7"}).status_code == 400


def test_only_the_operators_key_opens_what_was_sent(launch: StartServer, tmp_path: Path) -> None:
    """Not even a key that opens the prediction routes; and with no such key there are no such routes."""
    server = launch(feedback=tmp_path / "kept", feedback_key="operator", api_key="caller")
    for method, path in [
        ("GET", "/feedback"),
        ("HEAD", "/feedback"),
        ("DELETE", "/feedback/*"),
        ("GET", "/feedback/x"),
        ("POST", "/feedback/decision"),
    ]:
        for headers in ({}, {"Authorization": "Bearer caller"}, {"Authorization": "Bearer x"}):
            assert httpx.request(method, server.url + path, headers=headers).status_code == 401, (method, path)
        assert httpx.request(method, server.url + path, headers=OPERATOR).status_code in (200, 400, 415)
    form: dict[str, Any] = {"files": {"image": seven(1)}, "data": {"digit": "7"}}
    assert httpx.post(f"{server.url}/feedback", **form).status_code == 401
    assert httpx.post(f"{server.url}/feedback", headers={"Authorization": "Bearer caller"}, **form).status_code == 200
    other = launch(feedback=tmp_path / "kept")
    assert httpx.get(f"{other.url}/feedback", headers={"Authorization": "Bearer x"}).status_code == 405
    assert httpx.post(f"{other.url}/feedback/decision").status_code == 404


def test_an_operator_accepts_and_deletes(feedback: Feedback) -> None:
    """One by one, and all."""
    made = feedback.correct(files={"image": seven(40)}, data={"digit": "4"}).json()["id"]
    url = feedback.server.url
    for state in ("accepted", "dropped", "waiting", "accepted"):
        answer = httpx.post(f"{url}/feedback/decision", json={"id": made, "state": state}, headers=OPERATOR)
        assert answer.json() == {"id": made, "state": state}
        assert feedback.listed()[made]["state"] == state
    picture = httpx.get(f"{url}/feedback/{made}", headers=OPERATOR)
    assert (picture.content, picture.headers["content-type"]) == (seven(40), "image/png")
    assert picture.headers["cache-control"] == "no-store"
    assert httpx.delete(f"{url}/feedback/{made}", headers=OPERATOR).json() == {"deleted": 1}
    assert httpx.delete(f"{url}/feedback/{made}", headers=OPERATOR).status_code == 404
    for nothing in ("", "/"):  # nobody deletes all by leaving the id empty
        assert httpx.delete(f"{url}/feedback{nothing}", headers=OPERATOR).status_code == 405
    assert httpx.delete(f"{url}/feedback/x", headers=OPERATOR).status_code == 400
    count = len(feedback.listed())
    assert httpx.delete(f"{url}/feedback/*", headers=OPERATOR).json() == {"deleted": count}
    assert not list(feedback.folder.glob("*/*/*.png"))


def test_one_client_cannot_flood_the_folder(launch: StartServer, tmp_path: Path) -> None:
    """More than its rate gets 429 and when to come again; other routes answer it as before."""
    server = launch(feedback=tmp_path / "kept", feedback_per_minute=3)
    answers = [httpx.post(f"{server.url}/feedback", files={"image": seven(at)}, data={"digit": "1"}) for at in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert httpx.post(f"{server.url}/predict", files={"image": seven(0)}).status_code == 200
    assert len(list((tmp_path / "kept" / "waiting").iterdir())) == 3


def test_a_broken_disk_refuses_corrections_and_nothing_else(launch: StartServer, tmp_path: Path) -> None:
    """Answers go on; and so do corrections, when the folder is back."""
    folder = tmp_path / "kept"
    server = launch(feedback=folder)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    form: dict[str, Any] = {"files": {"image": seven(1)}, "data": {"digit": "7"}}
    answer = httpx.post(f"{server.url}/feedback", **form)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "not_kept")
    assert httpx.post(f"{server.url}/predict", files={"image": seven(1)}).json()["digit"] == 7
    folder.unlink()
    assert httpx.post(f"{server.url}/feedback", **form).status_code == 200
    assert len(list((folder / "waiting").iterdir())) == 1


def test_a_folder_that_cannot_be_used_stops_the_start(launch: StartServer, tmp_path: Path) -> None:
    """With one line that names the setting."""
    (tmp_path / "file").write_text("")
    server = launch(wait=False, feedback=tmp_path / "file")
    assert server.process.wait(120) == 1
    assert f"error: DIGITS_FEEDBACK={tmp_path / 'file'} cannot be used" in server.log_text()


def test_without_the_setting_there_is_no_such_route(server: Server) -> None:
    """And the page offers nothing, nor does /metrics count what cannot be."""
    assert httpx.post(f"{server.url}/feedback", json={"id": "x", "digit": 7}).status_code == 404
    assert "TAKES_FEEDBACK = false" in httpx.get(f"{server.url}/contract.js").text
    assert "digits_feedback" not in httpx.get(f"{server.url}/metrics").text


def test_corrections_are_counted(feedback: Feedback) -> None:
    """By what was answered and what is right, and by version whether people agreed."""
    feedback.correct(files={"image": seven(50)}, data={"digit": "7"})
    feedback.correct(files={"image": seven(51)}, data={"digit": "none"})
    text = httpx.get(f"{feedback.server.url}/metrics").text
    assert 'digits_feedback_total{answered="7",right="none"}' in text
    assert 'digits_feedback_rated_total{right="true",version="1"}' in text
    assert "digits_feedback_newest_timestamp_seconds " in text


# Not by coverage for the route that takes a form: that leaves a form's text empty, and calls it valid.
@pytest.mark.parametrize(("paths", "phases"), [("feedback$", "fuzzing"), ("feedback/", "coverage,fuzzing")])
def test_every_answer_is_as_described(feedback: Feedback, paths: str, phases: str) -> None:
    """Schemathesis derives requests for these routes from the description, as for all others."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{feedback.server.url}/docs.json", "--checks", "all"),
        *("--phases", phases, "--max-examples", "8", "--seed", "1", "--generation-database", "none"),
        *("--include-path-regex", paths, "--header", "Authorization: Bearer operator"),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(ROOT / "tests" / "service" / "api"),
    }
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "0 selected" not in done.stdout
