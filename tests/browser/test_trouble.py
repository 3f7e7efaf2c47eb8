"""The page when the service is gone, busy or locked: a sentence, and the drawing is kept."""

from __future__ import annotations

import json
from typing import Any

from serving import Server, StartServer
from strokes import DIGITS
from visitor import Visits


def test_a_service_that_is_gone_is_said_in_a_sentence(visit: Visits, launch: StartServer) -> None:
    """The service stops under an open page: the next stroke tells, and the old answer is greyed out."""
    server = launch(lame_duck_s=0)
    desk = visit(server.url)
    desk.draw(DIGITS["7"])
    desk.see_digit("7")
    server.stop()
    desk.draw([[(0.42, 0.52), (0.68, 0.5)]])
    desk.see("#trouble").to_contain_text("The service does not answer.")
    desk.see("#digit").to_have_attribute("data-state", "stale")
    desk.see("#again").to_be_visible()
    assert all("Failed to load resource" in complaint for complaint in desk.complaints)


def test_trying_again_sends_the_same_drawing(visit: Visits, server: Any) -> None:
    """When the service is back, one click brings the answer; nothing need be drawn again."""
    desk = visit(server.url)
    desk.page.route("**/predict", lambda route: route.abort())
    desk.draw(DIGITS["9"])
    desk.wait()
    desk.see("#trouble").to_be_visible()
    desk.page.unroute("**/predict")
    desk.find("#again").click()
    desk.see_digit("9")
    desk.see("#trouble").to_be_hidden()


def test_a_busy_service_is_said_in_its_own_words(visit: Visits, server: Any) -> None:
    """A 503 shows the message of the answer, and can be tried again."""
    desk = visit(server.url)
    answer = json.dumps({"error": {"code": "overloaded", "message": "the queue is full; try again soon"}})
    desk.page.route("**/predict", lambda route: route.fulfill(status=503, content_type="application/json", body=answer))
    desk.draw(DIGITS["1"])
    desk.see("#trouble-text").to_have_text("The queue is full; try again soon.")
    desk.see("#again").to_be_visible()


def test_the_answer_stands_without_the_look_inside(visit: Visits, server: Any) -> None:
    """A refused /explain is told in its own place; the digit stays, and no alarm is raised."""
    desk = visit(server.url)
    answer = json.dumps({"error": {"code": "overloaded", "message": "8 pictures are being explained; try again"}})
    desk.page.route("**/explain", lambda route: route.fulfill(status=503, content_type="application/json", body=answer))
    desk.draw(DIGITS["6"])
    desk.wait()
    desk.see_digit("6")
    desk.see("#trouble").to_be_hidden()
    desk.see("#inside-timing").to_have_text("8 pictures are being explained; try again.")
    desk.see("#layers").to_be_hidden()


def test_an_answer_that_is_not_ours_is_said_in_a_sentence(visit: Visits, server: Any) -> None:
    """A proxy's HTML error page does not break the page."""
    desk = visit(server.url)
    desk.page.route("**/predict", lambda route: route.fulfill(status=502, content_type="text/html", body="<p>bad"))
    desk.draw(DIGITS["1"])
    desk.see("#trouble-text").to_have_text("The service answered with an error (502).")


def test_a_locked_service_asks_for_the_key_and_takes_it(visit: Visits, locked: Server) -> None:
    """With API keys set, the page itself opens, asks for a key, says so if it is wrong, and keeps the right one."""
    desk = visit(locked.url)
    desk.draw(DIGITS["2"])
    for words, key in (("wants an API key", "k3"), ("does not know this API key", "k1")):
        desk.see("#trouble-text").to_contain_text(words)
        desk.find("#key").fill(key)
        desk.page.keyboard.press("Enter")
        desk.wait()
    desk.see_digit("2")
    desk.see("#trouble").to_be_hidden()
    desk.page.reload()
    desk.draw(DIGITS["3"])
    desk.see_digit("3")
