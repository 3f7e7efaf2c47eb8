"""Giving the page a picture instead of drawing, and what it says when there is no digit in it."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from strokes import DIGITS
from visitor import Visit, Visits

GIVE = """async ([name, type, data, how]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const event = how === "drop"
    ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true });
  document.getElementById("pad").dispatchEvent(event);
}"""


def photo(digit: str) -> bytes:
    """Make a photo of a digit written in blue on uneven paper: JPEG, 900 × 1200."""
    rows, columns = np.mgrid[0:1200, 0:900]
    light = 205 - rows / 24 - columns / 60
    noise = np.random.default_rng(1).normal(0, 3, light.shape)
    paper = Image.fromarray(np.clip(light + noise, 0, 255).astype(np.uint8)).convert("RGB")
    pen = ImageDraw.Draw(paper)
    for stroke in DIGITS[digit]:
        pen.line([(150 + x * 600, 300 + y * 600) for x, y in stroke], fill=(35, 45, 120), width=26, joint="curve")
    buffer = io.BytesIO()
    paper.filter(ImageFilter.GaussianBlur(2)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def blank() -> bytes:
    """Make a white picture without anything on it: PNG."""
    buffer = io.BytesIO()
    Image.new("L", (200, 200), 255).save(buffer, "PNG")
    return buffer.getvalue()


def give(visit: Visit, name: str, kind: str, data: bytes, how: str) -> None:
    """Open, drop or paste a file on the page."""
    if how == "open":
        visit.find("#open").set_input_files({"name": name, "mimeType": kind, "buffer": data})
    else:
        visit.page.evaluate(GIVE, [name, kind, base64.b64encode(data).decode(), how])


@pytest.mark.parametrize("how", ["open", "drop", "paste"])
def test_a_photo_is_read(desk: Visit, how: str) -> None:
    """A photo of a 7, by each of the three ways, is shown on the pad and read."""
    give(desk, "photo.jpg", "image/jpeg", photo("7"), how)
    desk.see_digit("7")
    desk.see("#picture").to_be_visible()
    assert desk.page.evaluate("document.getElementById('picture').naturalHeight") == 1200


def test_a_photo_goes_away_with_undo_and_with_the_next_stroke(desk: Visit) -> None:
    """Undo takes the photo back; drawing replaces it."""
    give(desk, "photo.jpg", "image/jpeg", photo("2"), "open")
    desk.see_digit("2")
    desk.find("#undo").click()
    desk.see("#picture").to_be_hidden()
    desk.see("#digit").to_have_text("")
    give(desk, "photo.jpg", "image/jpeg", photo("2"), "drop")
    desk.see_digit("2")
    desk.draw(DIGITS["0"])
    desk.see_digit("0")
    desk.see("#picture").to_be_hidden()


def test_the_keyboard_opens_the_file_dialog(desk: Visit) -> None:
    """Control and O clicks on the input for files, and does not reach the browser, which has a dialog of its own.

    The dialog is not waited for: a browser shows it only within seconds of a touch, which a busy machine may miss.
    """
    desk.page.evaluate(
        """() => {
            const open = document.getElementById("open");
            open.addEventListener("click", (event) => { event.preventDefault(); window.asked = true; });
            document.addEventListener("keydown", (event) => { window.kept = event.defaultPrevented; });
        }"""
    )
    desk.page.keyboard.press("Control+o")
    assert desk.page.evaluate("[window.asked, window.kept]") == [True, True]


def test_a_phone_offers_its_camera(visit: Visits, server: Any) -> None:
    """Where there is a touch screen there is a button that opens the camera; elsewhere it would be a second Open."""
    phone = visit(server.url, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    phone.see("#photo").to_be_visible()
    assert phone.find("#camera").get_attribute("capture") == "environment"
    desktop = visit(server.url)
    desktop.see("#photo").to_be_hidden()


def test_a_blank_picture_is_rejected_in_words(desk: Visit) -> None:
    """No digit is claimed, and the sentence says why."""
    give(desk, "blank.png", "image/png", blank(), "open")
    desk.see("#digit").to_have_attribute("data-state", "rejected")
    desk.see("#digit").to_have_text("?")
    desk.see("#sentence").to_have_text("There is nothing to read: no ink was found.")


def test_two_digits_are_rejected_in_words(desk: Visit) -> None:
    """Two digits side by side are not one."""
    halves = [(0.02, "3"), (0.5, "8")]
    desk.draw(
        [[(left + x * 0.48, y * 0.6 + 0.2) for x, y in stroke] for left, name in halves for stroke in DIGITS[name]]
    )
    desk.see("#sentence").to_have_text("There is more than one digit. Show one at a time.")
    desk.see("#status").to_have_text("There is more than one digit. Show one at a time.")


def test_a_file_that_is_no_picture_is_refused_on_the_spot(desk: Visit) -> None:
    """A dropped text file: one sentence, and no request."""
    give(desk, "notes.txt", "text/plain", b"seven", "drop")
    desk.see("#trouble").to_have_text("notes.txt is not a picture.", use_inner_text=True)
    assert desk.asked() == 0


def test_a_damaged_picture_gets_the_services_own_sentence(visit: Visits, server: Any) -> None:
    """What the service says of the file is shown as a sentence, in a role that is read out; drawing ends it."""
    desk = visit(server.url)
    give(desk, "photo.jpg", "image/jpeg", photo("7")[:200], "open")
    desk.see("#trouble[role=alert]").to_be_visible()
    assert len(desk.find("#trouble-text").inner_text()) > 20
    desk.see("#again").to_be_hidden()
    desk.draw(DIGITS["4"])
    desk.see_digit("4")
    desk.see("#trouble").to_be_hidden()
