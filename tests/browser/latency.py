"""Measure the look inside: `python tests/browser/latency.py http://127.0.0.1:3000 [ROUNDS]`.

In the visitor's browser, from the moment in which the button is let go after the last stroke to the frame that shows
the maps of the whole drawing.
"""

from __future__ import annotations

import shutil
import sys
from statistics import median, quantiles

from conftest import FLAGS
from playwright.sync_api import expect, sync_playwright
from strokes import DIGITS
from visitor import DESKTOP, Visits

WATCH = """
  window.spans = [];
  let lifted = 0;
  addEventListener("pointerup", () => { lifted = performance.now(); }, true);
  new MutationObserver(() => {
    const from = lifted;
    requestAnimationFrame(() => setTimeout(() => spans.push(performance.now() - from)));  // after the frame
  }).observe(document.getElementById("inside-timing"), { childList: true });
"""


def main(origin: str, rounds: int = 5) -> None:
    """Draw each digit `rounds` times, and print the times from the last stroke's end to its maps in ms."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        visit = Visits(browser, expect)(origin, **DESKTOP)
        visit.page.evaluate(WATCH)
        spans: list[float] = []
        for _ in range(rounds):
            for name, strokes in DIGITS.items():
                if visit.find("#clear").is_enabled():
                    visit.find("#clear").click()
                visit.wait()
                visit.page.evaluate("spans.length = 0")
                visit.draw(strokes)
                visit.see_digit(name[0])
                visit.wait()
                visit.page.wait_for_function("spans.length > 0")
                spans.append(visit.page.evaluate("spans.at(-1)"))
        browser.close()
    last = quantiles(spans, n=20)[-1]
    sys.stdout.write(
        f"{len(spans)} drawings: median {median(spans):.0f} ms, 95th percentile {last:.0f}, worst {max(spans):.0f}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), *map(int, sys.argv[2:3]))
