"""The gateway alone, called as uvicorn calls it: what passes, what is refused, and what ends early."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from service.api.bentoml_routes import InnerApp, check_images
from service.errors import ServiceError
from service.gateway.dispatch import Gateway
from service.gateway.messages import Message, Reply, Request, json_reply
from service.gateway.route import Route
from service.settings import Settings


class Answer(NamedTuple):
    """What came back; status 0 is no answer at all."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Counts:
    """Stands in for the metrics; keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def request(self, route: str, status: int, _seconds: float, *, infers: bool) -> None:  # noqa: ARG002 - as the real one
        """Take one request."""
        self.seen.append((route, status))


async def nothing(*_: Any) -> None:
    """An application that is never called."""


async def echo(request: Request) -> Reply:
    """Answer with the body's length."""
    return json_reply({"bytes": len(await request.body())})


async def hello(_: Request) -> Reply:
    """Answer without reading."""
    return Reply(200, b"hello", b"text/plain")


async def broken(_: Request) -> Reply:
    """Fail in a way that nobody foresaw."""
    raise ZeroDivisionError("secret detail")


def gateway(counts: Counts | None = None, routes: dict[str, Any] | None = None, **settings: Any) -> Gateway:
    """A gateway with a few routes."""
    made = Gateway(nothing, Settings(**settings))
    table = {"/echo": {"POST": echo}, "/hello": {"GET": hello}, "/readyz": {"GET": hello}, "/broken": {"GET": broken}}
    made.configure(
        [
            Route(method, path, handler, path, "", "", {}, is_open=path == "/readyz", tells_readiness=path == "/readyz")
            for path, methods in (table | (routes or {})).items()
            for method, handler in methods.items()
        ],
        counts or Counts(),  # type: ignore[arg-type]
    )
    return made


def ask(
    app: Gateway, method: str, path: str, body: bytes = b"", hang_up_after_s: float | None = None, **headers: str
) -> Answer:
    """Send one request; `hang_up_after_s` is when the client leaves."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def go() -> None:
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if parts:
                return parts.pop()
            await (asyncio.Event().wait() if hang_up_after_s is None else asyncio.sleep(hang_up_after_s))
            return {"type": "http.disconnect"}

        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": raw}
        await app(scope, receive, send)

    asyncio.run(go())
    if not sent:
        return Answer(0, {}, b"")
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], received, b"".join(message.get("body", b"") for message in sent[1:]))


def test_every_answer_names_its_request() -> None:
    """The caller's X-Request-ID comes back on success and on error; without one, one is made."""
    app = gateway()
    for method, path in (("GET", "/hello"), ("GET", "/nowhere"), ("GET", "/broken"), ("PUT", "/hello")):
        assert ask(app, method, path, x_request_id="mine").headers["x-request-id"] == "mine"
        assert ask(app, method, path, x_request_id="two words").headers["x-request-id"] != "two words"


def test_head_is_get_without_the_body() -> None:
    """HEAD answers with the length that GET has, and sends nothing."""
    answer = ask(gateway(), "HEAD", "/hello")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "5", b"")


def test_a_wrong_method_names_the_right_ones() -> None:
    """405 carries Allow."""
    answer = ask(gateway(), "DELETE", "/hello")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_unknown_paths_are_one_label(caplog: pytest.LogCaptureFixture) -> None:
    """What a client writes as a path becomes no metric label and no log line."""
    counts = Counts()
    with caplog.at_level(logging.INFO):
        ask(gateway(counts, access_log=True), "GET", "/../etc/passwd\nforged line")
    assert counts.seen == [("other", 404)]
    assert "passwd" not in caplog.text
    assert caplog.records[-1].route == "other"


def test_an_unforeseen_error_tells_the_log_and_not_the_client(caplog: pytest.LogCaptureFixture) -> None:
    """A bug is a 500 without its details, and the log has them under the request's id."""
    answer = ask(gateway(), "GET", "/broken", x_request_id="find-me")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert caplog.records[-1].of_request == "find-me"
    assert "secret detail" in caplog.text


def test_a_key_is_needed_wherever_it_is_not_said_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    """With keys set, unknown paths and all routes but the open ones want one; no key is ever logged."""
    app = gateway(api_key="right-key", access_log=True)
    with caplog.at_level(logging.DEBUG):
        assert ask(app, "GET", "/hello").status == 401
        assert ask(app, "GET", "/nowhere").status == 401
        assert ask(app, "GET", "/hello", authorization="Bearer wrong-key").status == 401
        assert ask(app, "GET", "/hello", authorization="Bearer right-key").status == 200
        assert ask(app, "GET", "/readyz").status == 200
    assert "right-key" not in caplog.text
    assert "wrong-key" not in caplog.text


def test_other_origins_may_call_only_where_cors_is_set() -> None:
    """Without the setting there is no CORS header at all; with it, a preflight needs no key."""
    assert ask(gateway(), "OPTIONS", "/echo", origin="https://a.example").status == 405
    app = gateway(cors_origins="https://a.example", api_key="k")
    preflight = ask(app, "OPTIONS", "/echo", origin="https://a.example")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "POST"
    allowed = preflight.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", "content-encoding", "traceparent", "tracestate"} <= set(allowed)
    assert ask(app, "GET", "/hello", origin="https://a.example").headers["access-control-allow-origin"]
    assert "access-control-allow-origin" not in ask(app, "GET", "/hello", origin="https://b.example").headers


def slow(seconds: float, done: list[str]) -> Callable[[Request], Awaitable[Reply]]:
    """A handler that takes its time."""

    async def handler(request: Request) -> Reply:
        await request.body()
        await asyncio.sleep(seconds)
        done.append("finished")
        return Reply(200, b"")

    return handler


def test_past_its_deadline_a_request_is_answered_and_its_work_ended() -> None:
    """504 at DIGITS_TIMEOUT_S, and the handler does not run on."""
    done: list[str] = []
    app = gateway(routes={"/slow": {"POST": slow(30, done)}}, timeout_s=0.02)
    assert ask(app, "POST", "/slow").status == 504
    assert done == []


def test_the_work_for_a_client_that_left_is_ended() -> None:
    """A disconnect cancels the handler; nobody is answered, and it counts as 499."""
    done: list[str] = []
    counts = Counts()
    app = gateway(counts, routes={"/slow": {"POST": slow(30, done)}})
    assert ask(app, "POST", "/slow", hang_up_after_s=0.01).status == 0
    assert done == []
    assert counts.seen == [("/slow", 499)]


def test_an_oversized_body_closes_the_connection() -> None:
    """413 by declaration, and the connection is not used again."""
    answer = ask(gateway(max_body_mib=1 / 1024), "POST", "/echo", content_length="1025")
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_what_a_request_held_is_given_back_whatever_came_of_it() -> None:
    """No path through the gateway leaks the memory account."""
    app = gateway(routes={"/late": {"POST": slow(30, [])}}, timeout_s=0.02)
    for path in ("/echo", "/late", "/nowhere"):
        ask(app, "POST", path, b"x" * 1000)
    assert app.limits.held == 0


def test_draining_says_no_more_and_goes_on_answering() -> None:
    """/readyz turns to 503 with Retry-After; other routes answer, and tell the client to close."""
    app = gateway()
    app.drain()
    ready = ask(app, "GET", "/readyz")
    assert (ready.status, ready.headers["retry-after"]) == (503, "1")
    answer = ask(app, "GET", "/hello")
    assert (answer.status, answer.headers["connection"]) == (200, "close")


def inner_answer(status: int, content: Any) -> InnerApp:
    """An inner application with one fixed answer."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})

    return InnerApp(app, lambda body: check_images(body, (28, 28), 64))


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.bentoml+pickle",
        "multipart/form-data; boundary=a",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ],
)
def test_bentoml_gets_json_and_nothing_else(kind: str) -> None:
    """Pickle (CVE-2025-27520) and forms with URLs in place of files (CVE-2025-54381) never reach BentoML."""
    app = gateway(routes={"/classify": {"POST": inner_answer(200, "reached")}})
    assert ask(app, "POST", "/classify", b'{"images": []}', content_type=kind).status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"images": null}',
        b'{"images": "http://x"}',
        b'{"images": [[[null]]]}',
        b'{"images": []}',
        b"[" * 100_000,
        b'{"images": [[1], [1, 2]]}',
        json.dumps({"images": [[[256] * 28] * 28]}).encode(),
        json.dumps({"images": [[[0.5] * 28] * 28]}).encode(),
        json.dumps({"images": [[[0] * 28] * 28] * 65}).encode(),
    ],
)
def test_bentoml_gets_only_images(body: bytes) -> None:
    """What it would answer with 500 is refused with 400 before."""
    app = gateway(routes={"/classify": {"POST": inner_answer(200, "reached")}})
    assert ask(app, "POST", "/classify", body, content_type="application/json").status == 400


def test_bentomls_errors_come_in_our_form_without_links() -> None:
    """Its validation errors keep place and message; pydantic's documentation link and the input stay inside."""
    content = {"error": "1 validation error", "detail": [{"loc": ["images"], "msg": "wrong", "url": "https://leak"}]}
    images = json.dumps({"images": [[[0] * 28] * 28]}).encode()
    app = gateway(routes={"/classify": {"POST": inner_answer(400, content)}})
    answer = ask(app, "POST", "/classify", images, content_type="application/json")
    assert answer.json()["error"] == {"code": "bad_request", "message": "1 validation error; images: wrong"}


def test_errors_have_the_form_of_their_protocol() -> None:
    """V2 routes answer `{"error": message}`, the others `{"error": {code, message}}`."""

    async def refuse(_: Request) -> Reply:
        raise ServiceError("no")

    app = gateway(routes={"/v2/x": {"GET": refuse}, "/x": {"GET": refuse}})
    assert ask(app, "GET", "/v2/x").json() == {"error": "no"}
    assert ask(app, "GET", "/x").json() == {"error": {"code": "internal", "message": "no"}}
