"""Drawing on the page, and reading the answer."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from strokes import DIGITS
from visitor import PHONE, Visit, Visits


@pytest.mark.parametrize("name", DIGITS)
def test_a_drawn_digit_is_read_right(desk: Visit, name: str) -> None:
    """Each of the ten digits, and some other ways to write them, drawn with the mouse."""
    desk.draw(DIGITS[name])
    desk.see_digit(name[0])
    desk.see("#bars li.top").to_contain_text(name[0])


def test_the_answer_is_there_before_the_pen_is_lifted(desk: Visit) -> None:
    """While the button is still down, the digit so far is read."""
    desk.draw(DIGITS["3"], lift=False)
    desk.see_digit("3")
    desk.page.mouse.up()


def test_half_a_stroke_is_not_scolded(desk: Visit) -> None:
    """A dot that is rejected shows nothing while the pen is down; once it is lifted, the page says why."""
    rejection = '{"digit": null, "confidence": 0.5, "probabilities": [0.5, 0.5], "rejected": "unsure", "model": {}}'
    desk.page.route("**/predict", lambda route: route.fulfill(content_type="application/json", body=rejection))
    desk.draw([[(0.5, 0.5)]], lift=False)
    desk.wait()
    desk.see("#sentence").to_have_text("The answer appears here.")
    desk.page.mouse.up()
    desk.see("#sentence").to_have_text("Not sure enough to say. The closest is 0, with 50 %.")


def test_the_answer_comes_with_words_bars_and_latency(desk: Visit) -> None:
    """Sentence, ten bars that add up to the probability of a digit, milliseconds, and the model's version."""
    desk.draw(DIGITS["5"])
    desk.see_digit("5")
    assert desk.find("#sentence").inner_text().startswith("It reads 5 and is ")
    assert "ms there and back · model digits 1" in desk.find("#timing").inner_text()
    shares = desk.page.eval_on_selector_all("#bars .fill", "all => all.map(one => +one.style.getPropertyValue('--p'))")
    assert len(shares) == 10
    assert 0.5 < sum(shares) <= 1 + 1e-4


def test_what_is_no_digit_has_no_long_bar(desk: Visit) -> None:
    """The bars share out the confidence of the whole answer: a clear 4 that is hardly a digit has a bar of 3 %."""
    shares = [0.002] * 4 + [0.982] + [0.002] * 4 + [0.0]
    answer = {"digit": None, "confidence": 0.03, "probabilities": shares, "rejected": "not_a_digit"}
    body = json.dumps(answer | {"model": {"name": "digits", "version": "1"}})
    desk.page.route("**/predict", lambda route: route.fulfill(content_type="application/json", body=body))
    desk.draw(DIGITS["4"])
    desk.see("#sentence").to_have_text("This does not look like a digit.")
    shown = desk.page.eval_on_selector_all("#bars .fill", "all => all.map(one => +one.style.getPropertyValue('--p'))")
    assert max(shown) == pytest.approx(0.03, abs=1e-3)


def test_a_finger_draws_on_a_phone(visit: Visits, server: Any) -> None:
    """Touch on a phone of 320 pixels: the stroke is drawn, the page does not scroll under it."""
    phone = visit(server.url, **PHONE)
    touch = phone.page.context.new_cdp_session(phone.page)
    for stroke in DIGITS["7"]:
        corners = phone.points(stroke)
        path = [(a + (c - a) * i / 8, b + (d - b) * i / 8) for (a, b), (c, d) in pairwise(corners) for i in range(9)]
        for number, (x, y) in enumerate(path):
            kind = "touchMove" if number else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.see_digit("7")
    assert phone.page.evaluate("scrollY") == 0
    assert phone.complaints == []


def test_the_keyboard_alone_can_draw(desk: Visit) -> None:
    """Tab to the pad, arrows and space: a vertical line is a 1."""
    desk.page.keyboard.press("Tab")
    assert desk.page.evaluate("document.activeElement.id") == "ink"
    for key, times in (("ArrowUp", 9), ("Space", 1), ("ArrowDown", 18), ("Space", 1)):
        for _ in range(times):
            desk.page.keyboard.press(key)
    desk.see_digit("1")


def test_undo_takes_back_one_stroke_and_clear_all(desk: Visit) -> None:
    """By button and by key; an empty pad has nothing to undo and no answer."""
    desk.see("#undo").to_be_disabled()
    desk.draw([*DIGITS["1"], [(0.1, 0.9), (0.9, 0.1)]])
    desk.find("#undo").click()
    desk.see_digit("1")
    desk.page.keyboard.press("Control+z")
    desk.see("#sentence").to_have_text("The answer appears here.")
    desk.see("#hint").to_be_visible()
    desk.draw(DIGITS["2"])
    desk.see_digit("2")
    desk.page.keyboard.press("Escape")
    desk.see("#digit").to_have_text("")
    desk.draw(DIGITS["4"])
    desk.see_digit("4")
    desk.find("#clear").click()
    desk.see("#digit").to_have_text("")
    desk.see("#clear").to_be_disabled()


def test_a_question_whose_picture_is_gone_is_dropped(desk: Visit) -> None:
    """Clearing while the service still thinks aborts the request; the next picture is asked for as usual."""
    desk.page.route("**/predict", lambda _route: None)  # never answered
    with desk.page.expect_request("**/predict"):
        desk.draw(DIGITS["8"])
    with desk.page.expect_event("requestfailed"):
        desk.page.keyboard.press("Escape")
    desk.see("#digit").to_have_text("")
    desk.page.unroute("**/predict")
    desk.draw(DIGITS["1"])
    desk.see_digit("1")


def test_a_screen_reader_hears_the_answer_once_the_stroke_is_done(desk: Visit) -> None:
    """The live region is silent while drawing, then says the sentence; each bar has its own words."""
    desk.draw(DIGITS["6"], lift=False)
    desk.see_digit("6")
    desk.see("#status").to_have_text("")
    desk.page.mouse.up()
    desk.see("#status").to_contain_text("It reads 6")
    assert desk.find("#bars li").nth(6).get_attribute("aria-label").startswith("6: ")
    assert "%" in desk.find("#bars li").nth(0).get_attribute("aria-label")


def test_everything_that_can_be_used_has_a_name(desk: Visit) -> None:
    """Every button, field and picture in the accessibility tree says what it is."""
    desk.draw(DIGITS["0"])
    desk.see("#layers").to_be_visible()
    tree = desk.find("body").aria_snapshot()
    for role in ("button", "img", "textbox", "figure"):
        lines = [line.strip().rstrip(":") for line in tree.splitlines() if line.strip().startswith(f"- {role}")]
        assert lines or role in ("textbox", "figure"), f"no {role} at all"
        if role != "figure":
            assert [line for line in lines if '"' not in line] == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_needs_to_scroll_sideways(visit: Visits, server: Any, width: int) -> None:
    """From the narrowest phone to a desktop, with everything shown."""
    screen = visit(server.url, viewport={"width": width, "height": 700})
    screen.draw(DIGITS["5"])
    screen.see("#layers").to_be_visible()
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert screen.complaints == []


@pytest.mark.parametrize(("scheme", "bright"), [("light", False), ("dark", True)])
def test_ink_and_paper_follow_the_readers_theme(visit: Visits, server: Any, scheme: str, bright: bool) -> None:
    """Dark ink on light paper, or light ink on dark paper; what is sent does not change."""
    screen = visit(server.url, color_scheme=scheme, viewport={"width": 800, "height": 800})
    screen.draw(DIGITS["3"])
    screen.see_digit("3")
    paper = screen.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    ink = screen.page.evaluate(
        "(() => { const c = document.getElementById('ink'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; for (let i = 3; i < d.length; i += 4)"
        " if (d[i] === 255) return [d[i - 3], d[i - 2], d[i - 1]]; })()"
    )
    assert (min(ink) > max(paper)) == bright
    assert screen.complaints == []


def test_classes_are_called_what_the_model_calls_them(desk: Visit) -> None:
    """Other labels than digits, as after fine-tuning, stand under the bars, in the sentence and as the answer."""
    labels = list("ABCDEFGHIJ")

    def rename(route: Any) -> None:
        response = route.fetch()
        answer = response.json()
        if "labels" in answer:
            answer["labels"] = labels
        elif answer["digit"] is not None:
            answer["digit"] = labels[answer["digit"]]
        route.fulfill(response=response, json=answer)

    desk.page.route("**/explain", rename)
    desk.page.route("**/predict", rename)
    desk.draw(DIGITS["2"])
    desk.see_digit("C")
    desk.see("#sentence").to_contain_text("It reads C and is")
    desk.see("#bars li.top .label").to_have_text("C")
    desk.wait()
