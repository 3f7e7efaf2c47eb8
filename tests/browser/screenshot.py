"""Take the README's picture of the page: `python tests/browser/screenshot.py http://127.0.0.1:3000`."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from conftest import FLAGS
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from strokes import DIGITS
from visitor import Visits

TARGET = Path(__file__).parents[2] / "docs" / "images" / "page.png"
WIDTH, HEIGHT = 1200, 1250


def main(origin: str) -> None:
    """Draw a 5 on the service's page and keep what a desktop shows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        size = {"width": WIDTH, "height": HEIGHT}
        visit = Visits(browser, expect)(origin, viewport=size, device_scale_factor=1.5)
        visit.draw(DIGITS["5"])
        visit.wait()
        visit.see_digit("5")
        visit.page.mouse.move(2, 2)
        picture = visit.page.screenshot(animations="disabled")
        browser.close()
    colours = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3)
    colours.save(TARGET, optimize=True)  # a third of the size, at most 11 of 255 off


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
