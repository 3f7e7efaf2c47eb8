"""`POST /predict` and `POST /predict_batch`: every way to send a picture, every way to get it wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import Server

from service.contract import FORMATS

MODEL = {"name": "digits", "version": "1"}


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    """A plain HTTP client of the shared server."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def picture(kind: str = "PNG", side: int = 200, **options: Any) -> bytes:
    """A 1 drawn with a dark pen on white paper."""
    canvas = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(canvas).line([(side // 2, side // 5), (side // 2, side * 4 // 5)], (20, 20, 60), side // 12)
    file = io.BytesIO()
    canvas.save(file, kind, **options)
    return file.getvalue()


def check(answer: dict[str, Any], digit: int = 1) -> None:
    """An answer has the shape that the design says, and this digit."""
    assert list(answer) == ["digit", "confidence", "probabilities", "rejected", "model"]
    assert (answer["digit"], answer["rejected"], answer["model"]) == (digit, None, MODEL)
    assert len(answer["probabilities"]) == 10
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert 0.5 < answer["confidence"] <= max(answer["probabilities"])


@pytest.mark.parametrize("kind", [each.name for each in FORMATS])
def test_a_picture_is_answered_as_form_field_and_as_raw_body(http: httpx.Client, kind: str) -> None:
    """Using curl -F and curl --data-binary get the same answer, whatever the format."""
    data = picture(kind)
    form = http.post("/predict", files={"image": ("a", data)})
    raw = http.post("/predict", content=data, headers={"content-type": f"image/{kind.lower()}"})
    octets = http.post("/predict", content=data, headers={"content-type": "application/octet-stream"})
    assert form.status_code == raw.status_code == octets.status_code == 200
    check(form.json())
    assert form.content == raw.content == octets.content


def test_a_blank_picture_is_rejected_with_its_reason(http: httpx.Client) -> None:
    """`digit` is null exactly when `rejected` says why."""
    file = io.BytesIO()
    Image.new("L", (120, 90), 250).save(file, "PNG")
    answer = http.post("/predict", files={"image": file.getvalue()}).json()
    assert (answer["digit"], answer["rejected"]) == (None, "blank")


@pytest.mark.parametrize(
    ("request_options", "status", "code", "message"),
    [
        ({"data": {"picture": "text"}, "files": {}}, 415, "unsupported_media_type", "x-www-form-urlencoded"),
        ({"files": {"picture": (None, "text")}}, 400, "bad_request", "the field 'picture'; expected exactly one part"),
        ({"files": [("a", picture()), ("b", picture())]}, 400, "bad_request", "or exactly one file; send several"),
        ({"files": [("image", picture()), ("image", picture())]}, 400, "bad_request", "send several pictures to"),
        (
            {"content": b"not a picture", "headers": {"content-type": "text/plain"}},
            415,
            "unsupported_media_type",
            "the Content-Type is 'text/plain', and the 13 bytes do not begin as an image file does",
        ),
        ({"content": b"not a picture"}, 415, "unsupported_media_type", "the Content-Type is ''"),
        ({"content": b""}, 400, "bad_request", "empty (0 bytes)"),
        ({"content": b"", "headers": {"content-type": "image/png"}}, 400, "bad_request", "empty (0 bytes)"),
        ({"files": {"image": b""}}, 400, "bad_request", "empty (0 bytes)"),
        ({"files": {"image": b"not a picture"}}, 422, "undecodable_picture", "in no supported picture format"),
        ({"files": {"image": picture()[:100]}}, 422, "undecodable_picture", "not a readable picture"),
        (
            {"content": b"http://127.0.0.1/a.png", "headers": {"content-type": "image/png"}},
            422,
            "undecodable_picture",
            "in no supported picture format",
        ),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "bad_request", "needs a boundary"),
        (
            {"json": {"image": "http://127.0.0.1/a.png"}},
            422,
            "undecodable_picture",
            "nothing is fetched from an address",
        ),
        ({"json": {"image": "data:image/png;base64"}}, 422, "undecodable_picture", "has no comma"),
        ({"json": {"image": ""}}, 400, "bad_request", "empty (0 bytes)"),
        ({"json": {"image": 7}}, 400, "bad_request", "'image' is a JSON int, expected one string"),
        ({"json": {"images": []}}, 400, "bad_request", "send several pictures to /predict_batch"),
        ({"json": "image"}, 400, "bad_request", "the JSON body has no object"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad_request", "not JSON"),
    ],
)
def test_a_wrong_request_is_told_what_was_expected(
    http: httpx.Client, request_options: dict[str, Any], status: int, code: str, message: str
) -> None:
    """Each mistake has its status, its code and a sentence with the remedy."""
    answer = http.post("/predict", **request_options)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert message in error["message"]


def test_one_bad_picture_spoils_only_its_own_place(http: httpx.Client) -> None:
    """Answers come in order, the unreadable one as an error in its place."""
    blank = io.BytesIO()
    Image.new("L", (64, 64), 255).save(blank, "PNG")
    pictures = [picture(), b"junk", blank.getvalue(), picture("JPEG"), picture(side=28)]
    answer = http.post("/predict_batch", files=[("images", data) for data in pictures])
    assert answer.status_code == 200
    first, junk, empty, jpeg, small = answer.json()["predictions"]
    check(first)
    assert junk["error"]["code"] == "undecodable_picture"
    assert empty["rejected"] == "blank"
    check(jpeg)
    check(small)


def odd_form(field: str, *file_names: bytes) -> dict[str, Any]:
    """A form with one good picture for each file name, whatever its bytes."""
    body = b""
    for name in file_names:
        body += b'--xyz\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n' % (field.encode(), name)
        body += b"Content-Type: image/png\r\n\r\n" + picture() + b"\r\n"
    return {"content": body + b"--xyz--\r\n", "headers": {"content-type": "multipart/form-data; boundary=xyz"}}


def test_a_file_name_in_any_encoding_gets_its_answer(http: httpx.Client) -> None:
    """Clients write it as their system does; in a batch it harms neither its own picture nor another."""
    names = [b"caf\xe9.png", "ソ表.png".encode("shift_jis"), "表".encode("shift_jis"), b"seven.png", b"\xff" * 50]
    for name in names:
        check(http.post("/predict", **odd_form("image", name)).raise_for_status().json())
    answers = http.post("/predict_batch", **odd_form("images", *names)).raise_for_status().json()["predictions"]
    assert len(answers) == len(names)
    for answer in answers:
        check(answer)


def test_a_batch_of_which_nothing_can_be_read_is_answered_too(http: httpx.Client) -> None:
    """All places hold errors; the request itself is fine."""
    answer = http.post("/predict_batch", files=[("images", b"a"), ("images", b"b")])
    assert [one["error"]["code"] for one in answer.json()["predictions"]] == ["undecodable_picture"] * 2


def test_a_batch_is_as_good_as_its_pictures_one_by_one(http: httpx.Client) -> None:
    """Sixty-five different pictures, more than one run of the network takes: each answer equals its own /predict."""
    rng = np.random.default_rng(7)
    files = []
    for _ in range(65):
        canvas = np.zeros((28, 28), np.uint8)
        top, left = rng.integers(3, 8, 2)
        canvas[top : top + 16, left : left + rng.integers(2, 12)] = 255
        file = io.BytesIO()
        Image.fromarray(canvas).save(file, "PNG")
        files.append(file.getvalue())
    together = http.post("/predict_batch", files=[("images", data) for data in files]).json()["predictions"]
    for data, answer in zip(files, together, strict=True):
        alone = http.post("/predict", files={"image": data}).json()
        assert answer["digit"] == alone["digit"]
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=2e-6)


def test_a_batch_without_images_is_told_the_field_name(http: httpx.Client) -> None:
    """The wrong field name, or no form at all."""
    wrong = http.post("/predict_batch", files=[("image", (None, "text"))])
    assert (wrong.status_code, "parts named 'images'" in wrong.text) == (400, True)
    raw = http.post("/predict_batch", content=picture(), headers={"content-type": "image/png"})
    assert raw.status_code == 415


def test_bentomls_own_batchable_route_answers_the_same_probabilities(http: httpx.Client) -> None:
    """`/classify` goes through BentoML's adaptive batching to the same session."""
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:15] = 255
    through_bentoml = http.post("/classify", json={"images": [image.tolist()]}).raise_for_status().json()
    entry = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": image.ravel().tolist()}
    outputs = http.post("/v2/models/digits/infer", json={"inputs": [entry]}).raise_for_status().json()["outputs"]
    assert through_bentoml[0] == pytest.approx(outputs[0]["data"], abs=1e-6)


def test_the_answer_is_one_json_document_that_parses_strictly(http: httpx.Client) -> None:
    """No NaN, and no second document behind the first."""
    text = http.post("/predict", files={"image": picture()}).text
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["model"] == MODEL
