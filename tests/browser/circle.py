"""Go the whole way of one correction as people would: `DIGITS_DATA=… python tests/browser/circle.py [FOLDER]`.

On a desktop and on a phone, with two workers: draw a 2 that is struck through, which the shipped model takes for a 7;
say that it is a 2; accept that on the operator's page by a key; fine-tune; load; draw the same again, and see a 2.
FOLDER keeps the old pictures of fine-tuning and the screenshots. A minute on two cores.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from conftest import FLAGS
from playwright.sync_api import expect, sync_playwright
from strokes import DIGITS, Strokes
from visitor import DESKTOP, PHONE, Visit, Visits

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from serving import ROOT, kill_group, start_server  # noqa: E402 - beside this folder, where pytest finds it by itself

STRUCK: Strokes = [*DIGITS["2"], [(0.15, 0.6), (0.85, 0.4)]]
KEY = "input[type=password]:visible"


def draw(visit: Visit, digit: str) -> None:
    """Draw it, give the key if the page asks for one, and see what it is taken for."""
    visit.draw(STRUCK)
    visit.page.wait_for_selector(f"{KEY}, #not-right:visible")
    if visit.page.locator(KEY).count():
        visit.page.locator(KEY).fill("caller")
        visit.page.locator(KEY).press("Enter")
    visit.see_digit(digit)
    visit.wait()


def correct(visit: Visit, url: str) -> None:
    """Say that it is a 2, and accept that as the operator."""
    visit.find("#not-right").click()
    visit.find("#choices").get_by_role("button", name="2", exact=True).click()
    visit.see("#correction-note").to_contain_text("Thank you.")
    visit.page.goto(f"{url}/review.html")
    visit.find("#key").fill("operator")
    visit.find("#key-form button").click()
    visit.see("#count").to_have_text("1 wait, 0 decided")
    with visit.page.expect_response("**/feedback/decision"):
        visit.page.keyboard.press("a")
    visit.see("#done").to_be_visible()


def go(visits: Visits, name: str, device: dict[str, Any], folder: Path) -> None:
    """Go the whole way on one device."""
    with tempfile.TemporaryDirectory() as place:
        own = Path(place)
        shutil.copytree(ROOT / "models" / "digits" / "1", own / "digits" / "1")
        keys = {"api_key": "caller", "feedback_key": "operator"}
        server = start_server(
            own, workers=2, model=own / "digits", feedback=own / "kept", repository_api=True, lame_duck_s=0, **keys
        )
        try:
            visit = visits(server.url, **device)
            draw(visit, "7")
            visit.page.screenshot(path=folder / f"{name}-before.png")
            correct(visit, server.url)
            command = [sys.executable, "-m", "training", "finetune", "--feedback", str(own / "kept")]
            command += ["--model", str(own / "digits"), "--run", str(folder / f"run-{name}")]
            subprocess.run(command, cwd=ROOT, check=True)
            load = f"{server.url}/v2/repository/models/digits/load"
            httpx.post(load, headers={"Authorization": "Bearer caller"}, timeout=30).raise_for_status()
            visit.page.wait_for_timeout(1000)  # the other worker looks twice a second
            visit.page.goto(server.url)
            draw(visit, "2")
            visit.page.screenshot(path=folder / f"{name}-after.png")
        finally:
            kill_group(server.process)
    sys.stdout.write(f"{name}: a 7 before, a 2 after\n")


def main(folder: Path) -> None:
    """Go it on both devices."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        visits = Visits(playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS), expect)
        for name, device in (("desktop", DESKTOP), ("phone", PHONE)):
            go(visits, name, device, folder)


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]) if sys.argv[1:] else ROOT / "runs" / "circle")
