"""Several pictures at once: a table with an answer or a refusal for each, progress, and a file to take away."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import Any

import pytest
from files import blank, drawn, give
from serving import Server
from visitor import PHONE, Visit, Visits

MIXED = [
    drawn("7", "heic", "IMG_0001.HEIC"),
    drawn("2", "avif"),
    blank(),
    ("cut.jpg", "image/jpeg", drawn("3", "jpg")[2][:300]),
    ("notes.txt", "text/plain", b"seven"),
    drawn("5", "png", '=HYPERLINK("x")&"5".png'),
]
ANSWERS = ["7", "2", "–", "–", "–", "5"]


def rows(visit: Visit, column: int) -> list[str]:
    """Read a column of the table."""
    return visit.find(f"#many-rows td:nth-child({column})").all_inner_texts()


def saved(visit: Visit) -> list[list[str]]:
    """Click on "Save as CSV" and read what comes."""
    with visit.page.expect_download() as download:
        visit.find("#many-csv").click()
    text = download.value.path().read_bytes().decode()
    assert text.startswith("\ufeff")
    assert text.count("\n") == text.count("\r\n")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.mark.parametrize("how", ["open", "drop", "paste"])
def test_each_picture_has_its_own_answer_or_refusal(desk: Visit, how: str) -> None:
    """A blank one, a damaged one and a text file spoil their own lines alone; the text file is not even sent."""
    give(desk, MIXED, how)
    desk.see("#many-count").to_have_text("3 read, 1 without a digit, 2 refused")
    desk.see("#many-status").to_have_text("All 6 pictures: 3 read, 1 without a digit, 2 refused.")
    assert rows(desk, 2) == [name for name, *_ in MIXED]
    assert rows(desk, 3) == ANSWERS
    words = rows(desk, 4)
    assert all("%" in words[place] for place in (0, 1, 5))
    assert words[2] == "There is nothing to read: no ink was found."
    assert words[4] == "It is not a picture."
    assert len(words[3]) > 20
    assert sum(url.endswith("/predict") for url in desk.requests) == 5
    desk.complaints[:] = [one for one in desk.complaints if "422" not in one]  # the browser's own note of the refusal


def test_no_preview_is_a_broken_image(desk: Visit) -> None:
    """What the browser cannot show, and what is no picture, is a tile with the end of its name."""
    give(desk, [*MIXED[:3], MIXED[4]], "drop")
    desk.see("#many-rows tr:nth-child(1) button span").to_have_text("HEIC")
    desk.see("#many-rows tr:nth-child(1) img").to_be_hidden()
    desk.see("#many-rows tr:nth-child(2) img").to_be_visible()
    desk.see("#many-rows tr:nth-child(2) button span").to_be_hidden()
    desk.see("#many-rows tr:nth-child(4) button span").to_have_text("txt")
    desk.see("#many-rows tr:nth-child(4) img").to_be_hidden()


def test_the_table_can_be_taken_away(desk: Visit) -> None:
    """As CSV that other programs read back; no name of a file is a formula to a spreadsheet."""
    names = ["=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", " =1.png", 'a "b", c.png']
    give(desk, [drawn("7", "png", name) for name in names] + [blank()], "drop")
    desk.see("#many-status").to_contain_text("All 7 pictures")
    head, *lines = saved(desk)
    assert head == ["file", "digit", "confidence", "rejected", "error", "model"]
    assert [line[0] for line in lines] == [*("'" + name for name in names[:5]), names[5], "blank.png"]
    assert [line[1] for line in lines] == ["7"] * 6 + [""]
    assert all(0.5 < float(line[2]) <= 1 for line in lines[:6])
    assert lines[6][3] == "blank"
    assert {line[5] for line in lines} == {"digits 1"}


def test_a_long_row_shows_its_progress_and_can_be_stopped(visit: Visits, server: Server) -> None:
    """More than ten: a bar, a few requests at a time, and Cancel, after which Go on asks for the rest alone."""
    desk = visit(server.url)
    held: list[Any] = []
    desk.page.route("**/predict", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks its handlers
    give(desk, [drawn("7")] * 12, "drop")
    desk.see("#many-progress").to_be_visible()
    desk.see("#many-count").to_have_text("0 of 12")
    desk.page.wait_for_function("performance.now() > 0")
    while len(held) < 3:
        desk.page.wait_for_timeout(10)
    assert len(held) == 3
    answered = held.pop(0)
    answered.continue_()
    desk.see("#many-count").to_have_text("1 of 12")
    desk.find("#many-stop").click()
    desk.see("#many-status").to_have_text("Stopped at 1 of 12 pictures.")
    assert [line[4] for line in saved(desk)[1:]].count("not asked") == 11
    desk.page.unroute("**/predict")
    before = desk.asked()
    desk.see("#many-stop").to_have_text("Go on")
    desk.find("#many-stop").click()
    desk.see("#many-status").to_have_text("All 12 pictures: 12 read.")
    desk.see("#many-progress").to_be_hidden()
    desk.see("#many-stop").to_be_hidden()
    assert desk.asked() - before == 11


def test_a_service_that_goes_away_stops_the_row_and_not_its_answers(visit: Visits, server: Server) -> None:
    """It is said once, not in every line; Try again goes on."""
    desk = visit(server.url)
    give(desk, [drawn("7"), drawn("2")], "drop")
    desk.see("#many-status").to_contain_text("All 2 pictures")
    desk.page.route("**/predict", lambda route: route.abort())
    give(desk, [drawn("3"), drawn("4")], "drop")
    desk.see("#trouble-text").to_contain_text("The service does not answer.")
    assert rows(desk, 3) == ["7", "2", "", ""]
    desk.page.unroute("**/predict")
    desk.find("#again").click()
    desk.see("#many-status").to_contain_text("All 4 pictures")
    desk.see("#trouble").to_be_hidden()
    assert rows(desk, 3) == ["7", "2", "3", "4"]


def test_a_busy_service_is_asked_again(visit: Visits, server: Server) -> None:
    """A 503 is no refusal of the picture."""
    desk = visit(server.url)
    answer = json.dumps({"error": {"code": "overloaded", "message": "the queue is full"}})
    turned_away: list[float] = []

    def once(route: Any) -> None:
        if len(turned_away) < 2:
            turned_away.append(time.monotonic())
            route.fulfill(status=503, content_type="application/json", body=answer)
        else:
            route.continue_()

    desk.page.route("**/predict", once)
    give(desk, [drawn("7"), drawn("2")], "drop")
    desk.see("#many-status").to_have_text("All 2 pictures: 2 read.")
    assert len(turned_away) == 2


def test_a_locked_service_asks_for_the_key_and_goes_on(visit: Visits, locked: Server) -> None:
    """The key is asked for once; then every picture is read."""
    desk = visit(locked.url)
    give(desk, [drawn("7"), drawn("2"), drawn("3")], "drop")
    desk.see("#trouble-text").to_contain_text("wants an API key")
    desk.find("#key").fill("k1")
    desk.page.keyboard.press("Enter")
    desk.see("#many-status").to_have_text("All 3 pictures: 3 read.")
    desk.see("#trouble").to_be_hidden()


def test_a_picture_that_is_too_large_is_refused_before_it_is_sent(visit: Visits, server: Server) -> None:
    """Browsers do not show the answer to a body that was too long: the page says it itself."""
    desk = visit(server.url)
    desk.page.route(
        "**/contract.js",
        lambda route: route.fulfill(response=(got := route.fetch()), body=got.text().replace("16777216", "20000")),
    )
    desk.page.reload()
    large = ("large.png", "image/png", bytes(30_000))
    give(desk, [drawn("7"), large], "drop")
    desk.see("#many-status").to_have_text("All 2 pictures: 1 read, 1 refused.")
    assert rows(desk, 4)[1].startswith("It has 0.0 MiB; the service takes")
    give(desk, [large], "drop")
    desk.see("#trouble-text").to_contain_text("large.png has")


def test_the_keyboard_alone_opens_a_picture_of_the_table(desk: Visit) -> None:
    """Each preview is a button that shows its picture large, with the look inside; Close empties the table."""
    give(desk, [drawn("7"), drawn("2")], "drop")
    desk.see("#many-status").to_contain_text("All 2 pictures")
    button = desk.find("#many-rows tr:nth-child(2) button")
    assert button.get_attribute("aria-label") == "Look inside: 2.png"
    button.focus()
    desk.page.keyboard.press("Enter")
    desk.see_digit("2")
    desk.find("#many-close").focus()
    desk.page.keyboard.press("Enter")
    desk.see("#many").to_be_hidden()
    assert desk.page.evaluate("document.activeElement.id") == "ink"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_the_table(visit: Visits, server: Server, scheme: str) -> None:
    """At 320 pixels nothing needs to be scrolled sideways, however long a name or a reason is."""
    phone = visit(server.url, **PHONE, color_scheme=scheme)
    give(phone, [*MIXED[:3], drawn("7", "png", "a_very_long_name_without_a_single_space_" * 3 + ".png")], "drop")
    phone.see("#many-status").to_contain_text("All 4 pictures")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 320
    box = phone.find("#many-rows").bounding_box()
    assert box["x"] + box["width"] <= 320
    assert phone.complaints == []
