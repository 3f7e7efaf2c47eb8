"""A visitor of the page: opens it in a real browser, draws, and notes what goes wrong or abroad."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, dist
from typing import Any

from strokes import Strokes

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 320, "height": 640},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
WAIT_MS = 30_000  # a limit, which only a starved machine comes near
STEP_PIXELS = 24


@dataclass
class Visit:
    """One open page.

    Attributes:
        page: Playwright's page.
        origin: scheme, host and port of the service.
        expect: Playwright's `expect`, whose assertions wait until they hold.
        complaints: errors on the console, and errors that no script caught.
        requests: every address that the page asked for.
    """

    page: Any
    origin: str
    expect: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def find(self, selector: str) -> Any:
        """Find an element by CSS selector."""
        return self.page.locator(selector)

    def see(self, selector: str) -> Any:
        """Return assertions on an element that wait until they hold."""
        return self.expect(self.find(selector))

    def points(self, stroke: list[tuple[float, float]]) -> list[tuple[float, float]]:
        """Bring points of the unit square to the pad's place in the window."""
        box = self.find("#ink").bounding_box()
        return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]

    def draw(self, strokes: Strokes, *, lift: bool = True) -> None:
        """Draw strokes on the pad with the mouse; without `lift` the button stays down after the last."""
        for number, stroke in enumerate(strokes, 1):
            points = self.points(stroke)
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for start, end in pairwise(points):  # as densely as a mouse reports, or the page would round the corners
                self.page.mouse.move(*end, steps=ceil(dist(start, end) / STEP_PIXELS))
            if lift or number < len(strokes):
                self.page.mouse.up()

    def wait(self) -> None:
        """Wait until the page has no question open."""
        self.see("#answer").to_have_attribute("aria-busy", "false")

    def asked(self) -> int:
        """Count the pictures that the page has sent."""
        return sum(url.endswith(("/predict", "/explain")) for url in self.requests)

    def see_digit(self, digit: str) -> None:
        """Wait until this digit is the answer, neither rejected nor greyed out."""
        self.see("#digit").to_have_text(digit)
        self.see("#digit").to_have_attribute("data-state", "sure")

    def abroad(self) -> list[str]:
        """Return the addresses of requests to any other origin than the service's."""
        return [url for url in self.requests if not url.startswith((self.origin + "/", "blob:", "data:"))]


class Visits:
    """Opens pages, each in a context of its own, without cookies or storage of another."""

    def __init__(self, browser: Any, expect: Any) -> None:
        self._browser = browser
        self._expect = expect
        self.opened: list[Visit] = []

    def __call__(self, origin: str, **options: Any) -> Visit:
        """Open the service's page with Playwright's context options."""
        page = self._browser.new_context(**(options or DESKTOP)).new_page()
        page.set_default_timeout(WAIT_MS)
        visit = Visit(page, origin, self._expect)
        page.on("console", lambda message: message.type == "error" and visit.complaints.append(message.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on("request", lambda request: visit.requests.append(request.url))
        page.goto(f"{origin}/")
        self.opened.append(visit)
        return visit
