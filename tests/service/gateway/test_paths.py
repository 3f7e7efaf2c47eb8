"""Which route a path finds: a slash at its end is ignored, and a route's last part may be the request's own."""

from __future__ import annotations

import pytest
from test_dispatch import Counts, ask, gateway

from service.gateway.messages import Reply, Request, json_reply


async def tail(request: Request) -> Reply:
    """Answer with the part of the path that is the request's own."""
    return json_reply(request.tail)


ROUTES = {"/things": {"GET": tail}, "/things/fixed": {"POST": tail}, "/things/{id}": {"GET": tail, "DELETE": tail}}


@pytest.mark.parametrize(
    ("path", "said"), [("/things/7", "7"), ("/things/7/", "7"), ("/things/*", "*"), ("/things", ""), ("/things/", "")]
)
def test_the_last_part_of_a_path_may_be_the_requests_own(path: str, said: str) -> None:
    """It reaches the handler; an empty one is the route without it."""
    answer = ask(gateway(routes=ROUTES), "GET", path)
    assert (answer.status, answer.json()) == (200, said)


@pytest.mark.parametrize("path", ["/things/7/8", "/things//", "/other/7", "/thing/7", "//7", "/"])
def test_no_other_path_finds_it(path: str) -> None:
    """One part, no more."""
    counts = Counts()
    assert ask(gateway(counts, ROUTES), "GET", path).status == 404
    assert counts.seen == [("other", 404)]


def test_a_path_in_full_comes_first() -> None:
    """And says which methods it takes."""
    app = gateway(routes=ROUTES)
    assert ask(app, "POST", "/things/fixed").json() == ""
    assert (ask(app, "GET", "/things/fixed").status, ask(app, "DELETE", "/things/").status) == (405, 405)


def test_metrics_name_the_route_and_not_what_stands_in_it() -> None:
    """Whoever asks for a million ids makes one series; a preflight finds the route's methods."""
    counts = Counts()
    app = gateway(counts, ROUTES, cors_origins="https://a.example")
    for number in range(3):
        ask(app, "DELETE", f"/things/{number}")
    allowed = ask(app, "OPTIONS", "/things/7", origin="https://a.example").headers["access-control-allow-methods"]
    assert allowed == "GET, DELETE, HEAD"
    assert set(counts.seen[:3]) == {("/things/{id}", 200)}
