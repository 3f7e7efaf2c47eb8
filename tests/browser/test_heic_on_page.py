"""HEIC and AVIF on the page, in a browser that can show the one and not the other."""

from __future__ import annotations

import pytest
from files import drawn, give
from visitor import Visit


@pytest.mark.parametrize("how", ["open", "drop", "paste"])
def test_heic_is_read_and_never_a_broken_image(desk: Visit, how: str) -> None:
    """Chromium cannot show it: its name stands in its place, and the service's own view is beside it."""
    give(desk, [drawn("7", "heic", "IMG_0001.HEIC")], how)
    desk.see_digit("7")
    desk.see("#unseen").to_contain_text("IMG_0001.HEIC")
    desk.see("#unseen").to_contain_text("but the service can read it.")
    desk.see("#picture").to_be_hidden()
    desk.see("#hint").to_be_hidden()
    desk.page.keyboard.press("Escape")
    desk.see("#unseen").to_be_hidden()
    desk.see("#hint").to_be_visible()


def test_avif_is_shown_and_read(desk: Visit) -> None:
    """What the browser can show is shown."""
    give(desk, [drawn("2", "avif")], "drop")
    desk.see_digit("2")
    desk.see("#picture").to_be_visible()
    desk.see("#unseen").to_be_hidden()


def test_the_dialog_for_files_offers_them(desk: Visit) -> None:
    """By the names' ends, since browsers do not know their media types."""
    for field in ("#open", "#camera"):
        offered = desk.find(field).get_attribute("accept").split(",")
        assert {"image/*", ".heic", ".heif", ".avif", ".png", ".jpg"} <= set(offered)
    assert desk.find("#open").get_attribute("multiple") is not None
