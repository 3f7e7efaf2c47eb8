"""An answer that is not right is said to be so on the page, and decided by the operator, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from serving import Server, kill_group, start_server
from strokes import DIGITS
from visitor import DESKTOP, PHONE, Visit, Visits


class Kept(NamedTuple):
    """A service of two workers that takes corrections, and its folder."""

    server: Server
    folder: Path

    def records(self, state: str = "waiting") -> list[dict[str, Any]]:
        """Return what is kept in a state."""
        return [json.loads(path.read_text()) for path in (self.folder / state).glob("*/correction.json")]


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Start a service that takes corrections."""
    folder = tmp_path_factory.mktemp("correction")
    server = start_server(folder, workers=2, lame_duck_s=0, feedback=folder / "kept", feedback_key="operator")
    yield Kept(server, folder / "kept")
    kill_group(server.process)


@pytest.fixture
def kept(keeping: Kept) -> Kept:
    """Give the service with nothing kept."""
    httpx.delete(f"{keeping.server.url}/feedback/*", headers={"Authorization": "Bearer operator"}).raise_for_status()
    return keeping


def say(visit: Visit, label: str) -> None:
    """Say what the picture shows, and read the thanks."""
    visit.wait()
    visit.find("#not-right").click()
    visit.find("#choices").get_by_role("button", name=label, exact=True).click()
    visit.see("#correction-note").to_contain_text("Thank you.")
    visit.see("#not-right").to_be_hidden()
    visit.see("#choices").to_be_hidden()


@pytest.mark.parametrize("device", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_answer_is_corrected_with_two_clicks(visit: Visits, kept: Kept, device: dict[str, Any]) -> None:
    """Either of two workers may get the correction; the choices fit the window; the next drawing starts anew."""
    opened = visit(kept.server.url, **device)
    opened.see("#correction").to_be_hidden()
    opened.draw(DIGITS["7"])
    opened.see_digit("7")
    opened.wait()
    opened.find("#not-right").click()
    width = opened.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0
    assert opened.find("#choices button").count() == 11
    opened.find("#not-right").click()
    say(opened, "1")
    assert [(one["label"], one["answered"]) for one in kept.records()] == [("1", "7")]
    opened.find("#clear").click()
    opened.see("#correction").to_be_hidden()
    opened.page.evaluate("scrollTo(0, 0)")
    opened.draw(DIGITS["3"])
    opened.see_digit("3")
    say(opened, "No digit")
    assert {(one["label"], one["answered"]) for one in kept.records()} == {("1", "7"), (None, "3")}
    assert opened.complaints == []


def test_a_picture_whose_answer_is_forgotten_is_sent_again(visit: Visits, kept: Kept) -> None:
    """As after a restart: the page has the picture still, and nobody need draw it again."""
    opened = visit(kept.server.url)
    opened.page.route(
        "**/predict", lambda route: route.continue_(headers={**route.request.headers, "x-request-id": "a"})
    )
    for digit in ("2", "7"):  # two answers of one id: neither can be named by it
        opened.find("#clear").evaluate("button => button.click()")
        opened.draw(DIGITS[digit])
        opened.see_digit(digit)
    say(opened, "1")
    assert [(one["label"], one["answered"]) for one in kept.records()] == [("1", "7")]
    assert all("404" in complaint for complaint in opened.complaints)


def test_a_refused_correction_says_why_and_can_be_sent_again(visit: Visits, kept: Kept) -> None:
    """A sentence beside the choices, which stay open."""
    opened = visit(kept.server.url)
    answer = json.dumps({"error": {"code": "not_kept", "message": "the disk is full; try again later"}})
    opened.page.route(
        "**/feedback", lambda route: route.fulfill(status=507, content_type="application/json", body=answer)
    )
    opened.draw(DIGITS["7"])
    opened.see_digit("7")
    opened.wait()
    opened.find("#not-right").click()
    opened.find("#choices").get_by_role("button", name="1", exact=True).click()
    opened.see("#correction-note").to_have_text("The disk is full; try again later.")
    opened.page.unroute("**/feedback")
    opened.find("#choices").get_by_role("button", name="1", exact=True).click()
    opened.see("#correction-note").to_contain_text("Thank you.")


def test_an_operator_decides_with_the_keyboard(visit: Visits, kept: Kept) -> None:
    """A wrong key opens nothing; then accept, drop, back and delete, one key each, the disputed first."""
    opened = visit(kept.server.url)
    for digit, said in (("7", "1"), ("3", "8"), ("5", "5"), ("2", "No digit")):
        opened.find("#clear").evaluate("button => button.click()")
        opened.draw(DIGITS[digit])
        opened.see_digit(digit)
        say(opened, said)
    page = opened.page
    page.goto(f"{kept.server.url}/review.html")
    opened.find("#key").fill("wrong")
    opened.find("#key-form button").click()
    opened.see("#trouble-text").to_contain_text("Not opened: the API key is not known")
    opened.see("#card").to_be_hidden()
    opened.find("#key").fill("operator")
    opened.find("#key-form button").click()
    opened.see("#count").to_have_text("4 wait, 0 decided")
    opened.see("#disputed").to_contain_text("Disputed: the model was")
    opened.see("#answered").to_contain_text("The answer was")
    page.wait_for_function("() => document.getElementById('picture').naturalWidth > 100")
    for key, count in (("a", "3 wait, 1 decided"), ("d", "2 wait, 2 decided"), ("b", "3 wait, 1 decided")):
        page.keyboard.press(key)
        opened.see("#count").to_have_text(count)
    page.keyboard.press("a")
    page.keyboard.press("Delete")
    opened.see("#count").to_have_text("1 wait, 2 decided")
    page.keyboard.press("a")
    opened.see("#done").to_be_visible()
    page.wait_for_function("() => performance.getEntriesByName(location.origin + '/feedback/decision').length >= 5")
    assert len(kept.records("accepted")) == 3
    assert kept.records("dropped") == kept.records("waiting") == []
