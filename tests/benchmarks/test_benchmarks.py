"""The benchmark's own arithmetic and texts; nothing here takes a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from benchmarks import __main__ as command
from benchmarks import load, servers, table, variants, with_python_multipart, worst
from benchmarks.in_process import _asgi, _connection
from benchmarks.load import BenchmarkError, Measured
from benchmarks.pictures import png
from benchmarks.plot import draw
from benchmarks.rounds import Plan, Row
from benchmarks.servers import Server
from benchmarks.workloads import Call, form, images, tensor
from service.api import picture_bodies
from service.api.open_inference_wire import parse_infer
from service.gateway.dispatch import Gateway
from service.gateway.forms import parse_multipart
from service.preprocess import prepare, preprocess
from service.server.connection import GuardedConnection

LINE = "measured requests=900 us=2000000 p50=1500 p99=7250 max=9000 refused=100 broken=3"


def a_row(title: str = "one", rates: tuple[float, ...] = (100, 300, 200)) -> Row:
    """Make a row as after so many rounds of `upload` over 16 connections."""
    row = Row(Server(title, (), "/", "/", {"upload": Call("/predict", b"")}))
    row.cells["upload", 16] = [Measured(rate, 1, rate / 10, rate, failed=1, cpu_us=50) for rate in rates]
    return row


def test_a_result_counts_good_answers_only() -> None:
    """Refused requests lower the throughput, and both they and broken connections count as failed."""
    found = load.parse(f"Running 2s test\n{LINE}\n")
    assert found == Measured(per_s=400, p50_ms=1.5, p99_ms=7.25, max_ms=9, failed=103)


def test_a_run_without_a_result_says_what_wrk_wrote() -> None:
    """A broken run is an error with wrk's own words, not a row of zeros."""
    with pytest.raises(BenchmarkError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1")


def test_a_missing_wrk_is_one_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without wrk the command ends at once, says how to install it, and starts no server."""
    monkeypatch.setenv("PATH", "")
    assert command.main(["--seconds", "1"]) == 1
    assert "apt-get install wrk" in capsys.readouterr().err


def test_an_unknown_server_is_named_beside_the_known_ones() -> None:
    """A typing error in --only lists what there is."""
    with pytest.raises(BenchmarkError, match=r"no server fastapy, expected some of digits, fastapi"):
        command.choose({"digits": a_row().server, "fastapi": a_row().server}, ["fastapy"])


def test_a_cell_is_the_median_over_rounds() -> None:
    """One slow round does not move a figure; failures of all rounds add up."""
    found = a_row().cell("upload", 16)
    assert found == Measured(per_s=200, p50_ms=1, p99_ms=20, max_ms=300, failed=3, cpu_us=50)
    assert a_row().cell("upload", 64) is None


def test_a_table_marks_what_failed_and_what_a_server_cannot_do() -> None:
    """Failures stand in the cell; a dash where the server has no such route."""
    other = a_row("other")
    other.cells.clear()
    lines = table.load_table([a_row(), other], 16).splitlines()
    assert lines[0].split("|")[2].strip() == "one"
    assert "200/s, p99 20.0 ms, CPU 50 µs (3 failed)" in lines[2]
    assert lines[2].split("|")[3].strip() == "–"
    assert len({len(line) for line in lines}) == 1


def test_every_round_is_in_the_json() -> None:
    """The file keeps each round's figure, so that others can take other statistics."""
    (entry,) = json.loads(json.dumps(table.as_json([a_row()])))
    assert [run["per_s"] for run in entry["cells"][0]["rounds"]] == [100, 300, 200]


def test_a_plan_leaves_out_what_a_server_or_a_workload_cannot_do() -> None:
    """No cell for a route that is missing, and no more connections than a workload stands."""
    plan = Plan(1, 1, (1, 16, 64), ("upload", "photo", "raw"))
    server = Server("one", (), "/", "/", {"upload": Call("/predict", b""), "photo": Call("/predict", b"")})
    assert plan.cells(server) == [("upload", 1), ("upload", 16), ("upload", 64), ("photo", 1), ("photo", 16)]


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """A PNG comes out, also where a server lacks a workload."""
    path = tmp_path / "docs" / "throughput.png"
    draw([a_row(), a_row("two")], ("upload", "pixels1"), path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    """Where no server gave a figure there is no empty picture."""
    with pytest.raises(BenchmarkError, match="nothing was measured"):
        draw([a_row()], ("pixels1",), tmp_path / "throughput.png")


def test_the_requests_are_what_the_service_reads() -> None:
    """The forms and tensors that are sent parse with the service's own parsers, to the pictures that were drawn."""
    drawn = images(3)
    files = [png(image) for image in drawn]
    body, headers = form(files, "images")
    parts = parse_multipart(body, headers["Content-Type"], max_parts=3)
    assert [(part.name, part.data) for part in parts] == [("images", data) for data in files]
    body, headers = tensor(drawn)
    call = parse_infer(body, headers["Inference-Header-Content-Length"].encode(), (28, 28))
    assert (call.tensor == drawn).all()
    assert [output.name for output in call.outputs] == ["digit"]


def test_the_drawn_images_need_no_preprocessing() -> None:
    """`upload` measures the path of a 28 × 28 picture that is as MNIST's, not the search for a digit on paper."""
    image = images(1)[0]
    assert (preprocess(png(image)).image == image).all()


def test_every_variant_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command knows as a server, the module that starts it knows as a variant."""
    monkeypatch.setattr(servers, "photo", lambda: b"")  # drawing it takes seconds
    known = servers.servers()
    assert {"digits", "asgi", "fastapi", "bentoml"} | set(variants.VARIANTS) <= set(known)


@pytest.mark.parametrize("name", worst.PICTURES)
def test_every_worst_picture_has_an_answer(name: str) -> None:
    """They are what a search for slow pictures found, at the size that is asked for."""
    picture = worst.PICTURES[name](40)
    assert (picture.shape, picture.dtype) == ((40, 40), np.uint8)
    assert prepare(picture).image.shape == (28, 28)


def test_a_request_in_process_has_a_client_that_stays() -> None:
    """After its body nothing comes: what waits for the client to go would otherwise never let the answer be made."""

    async def gateway(_: object, receive: Callable[[], Awaitable[dict[str, object]]], __: object) -> None:
        first, second = await receive(), asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        seen.append((first["body"], second.done()))
        second.cancel()

    seen: list[tuple[object, bool]] = []
    asyncio.run(_asgi(cast("Gateway", gateway), "POST", "/predict", b"abc", {})())
    assert seen == [(b"abc", False)]


def test_python_multipart_splits_a_form_as_the_service_does() -> None:
    """The variant that is measured does the same work, in the place where the service calls it."""
    body, headers = form([b"one", b"two"], "images")
    way = {"body": body, "content_type": headers["Content-Type"], "max_parts": 16}
    assert with_python_multipart.parse_multipart(**way) == parse_multipart(**way)  # type: ignore[arg-type]
    assert picture_bodies.parse_multipart is parse_multipart  # type: ignore[attr-defined]


def test_the_measured_connections_answer() -> None:
    """Uvicorn's connection and the guarded one take a request and answer it."""
    body, headers = tensor(images(1))
    for kind in (HttpToolsProtocol, GuardedConnection):
        asyncio.run(_connection(kind, body, headers)())
