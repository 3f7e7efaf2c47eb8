"""The look inside on the page: what the network saw, its maps, and one sum in full."""

from __future__ import annotations

import re
from typing import Any

from strokes import DIGITS
from visitor import Visit, Visits

COUNT_INK = """(id) => {
  const canvas = document.getElementById(id);
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let inked = 0;
  for (let i = 3; i < data.length; i += 4) inked += data[i] > 0;
  return [canvas.width, canvas.height, inked];
}"""


def numbers(text: str) -> list[float]:
    """Read all decimal numbers of a sentence."""
    return [float(found.replace("−", "-")) for found in re.findall(r"−?\d+\.\d+", text)]


def test_what_the_network_saw_is_shown_beside_the_picture(desk: Visit) -> None:
    """28 × 28 pixels with the digit on them, and where it looked."""
    desk.draw(DIGITS["7"])
    desk.wait()
    desk.see("#layers").to_be_visible()
    width, height, inked = desk.page.evaluate(COUNT_INK, "seen")
    assert (width, height) == (28, 28)
    assert 30 < inked < 400
    desk.see("#weighed-note").to_contain_text("spot")


def test_kernels_and_maps_of_both_convolutions_are_there(desk: Visit) -> None:
    """As many as the network has, each of its own size."""
    desk.draw(DIGITS["3"])
    desk.wait()
    desk.see("#layers").to_be_visible()
    expected = {"conv1-weight": (10, 5), "conv1": (10, 24), "pool1": (10, 12), "conv2-weight": (10, 5)}
    expected |= {"conv2": (20, 8), "pool2": (20, 4)}
    for row, (count, side) in expected.items():
        widths = desk.page.eval_on_selector_all(f"#{row} canvas", "all => all.map(one => one.width)")
        assert widths == [side] * count
    captions = desk.find("#layers").inner_text()
    assert "10 kernels of 5 × 5." in captions.replace("\u202f", " ")
    assert "20 of 4 × 4." in captions.replace("\u202f", " ")


def test_the_maps_follow_the_drawing(desk: Visit) -> None:
    """Another picture, another map."""
    image = "document.querySelector('#conv1 canvas').toDataURL()"
    desk.draw(DIGITS["1"])
    desk.see_digit("1")
    desk.wait()
    desk.see("#layers").to_be_visible()
    first = desk.page.evaluate(image)
    desk.draw([[(0.3, 0.2), (0.5, 0.2)]])
    desk.page.wait_for_function(f"before => {image} !== before", arg=first)


def test_the_sum_under_the_pointer_adds_up(desk: Visit) -> None:
    """Products + bias = total, and ReLU of it is the last number; pointing at another map shows another sum."""
    desk.draw(DIGITS["4"])
    desk.see("#sum-text").to_contain_text("ReLU")
    shown = set()
    for place in (0, 3, 6):
        desk.find("#conv1 button").nth(place).hover(position={"x": 20, "y": 20})
        desk.see("#sum-kernel-note").to_have_text(f"× kernel {place + 1}")
        text = desk.find("#sum-text").inner_text()
        products, bias, total, output = numbers(text)
        assert abs(products + bias - total) < 0.016  # three roundings to two places
        assert output == max(0.0, total)
        shown.add(text)
    assert len(shown) == 3


def test_the_keyboard_walks_over_a_map(desk: Visit) -> None:
    """Tab to a map, arrows move the window."""
    desk.draw(DIGITS["4"])
    desk.wait()
    desk.see("#layers").to_be_visible()
    desk.find("#conv1 button").nth(2).focus()
    desk.page.keyboard.press("Enter")
    desk.see("#sum-kernel-note").to_have_text("× kernel 3")
    before = desk.find("#sum-where-note").inner_text()
    row = int(re.findall(r"row (\d+)", before)[0])
    desk.page.keyboard.press("ArrowUp" if row > 1 else "ArrowDown")
    desk.see("#sum-where-note").to_contain_text(f"row {row - 1 if row > 1 else 2},")


def test_choosing_a_map_of_the_second_layer_shows_its_kernels(desk: Visit) -> None:
    """Twenty maps, each with ten kernels of its own."""
    desk.draw(DIGITS["8"])
    desk.wait()
    desk.see("#layers").to_be_visible()
    kernel = "document.querySelector('#conv2-weight canvas').toDataURL()"
    first = desk.page.evaluate(kernel)
    desk.find("#conv2 button").nth(11).click()
    desk.see("#conv2-chosen").to_have_text("12")
    assert desk.page.evaluate(kernel) != first


def test_an_empty_pad_shows_no_inside(desk: Visit) -> None:
    """Clearing empties the tiles and hides the maps."""
    desk.draw(DIGITS["2"])
    desk.wait()
    desk.see("#layers").to_be_visible()
    desk.page.keyboard.press("Escape")
    desk.see("#layers").to_be_hidden()
    assert desk.page.evaluate(COUNT_INK, "seen")[2] == 0


def test_the_maps_change_colour_with_the_theme(visit: Visits, server: Any) -> None:
    """Switching to dark redraws what is on the canvases without a request."""
    screen = visit(server.url, color_scheme="light", viewport={"width": 900, "height": 800})
    screen.draw(DIGITS["5"])
    screen.see("#layers").to_be_visible()
    kernel = "document.querySelector('#conv1-weight canvas').toDataURL()"
    screen.wait()
    before, asked = screen.page.evaluate(kernel), screen.asked()
    screen.page.emulate_media(color_scheme="dark")
    screen.page.wait_for_function(f"before => {kernel} !== before", arg=before)
    assert screen.asked() == asked
