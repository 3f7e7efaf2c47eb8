"""A real Chromium, driven by Playwright, looking at the real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from visitor import WAIT_MS, Visit, Visits

FLAGS = [
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the network is cut: only the service is there
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    """Start one Chromium for a module, or skip its tests with the reason.

    Not for the session: while Playwright is open its event loop runs, and no other test could start one.
    """
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright: `pip install 'digit-service[test]'`")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium: `apt-get install chromium`")
    api.expect.set_options(timeout=WAIT_MS)
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield Visits(browser, api.expect)
        browser.close()


@pytest.fixture
def visit(visits: Visits) -> Iterator[Visits]:
    """Open pages as a visitor does: `visit(server.url)`; at the end, none may have called another origin."""
    yield visits
    opened = list(visits.opened)
    visits.opened.clear()
    for one in opened:
        one.page.context.close()
        assert one.abroad() == []


@pytest.fixture
def desk(visit: Visits, server: Any) -> Iterator[Visit]:
    """Open the page on a desktop; at the end, nothing may have gone wrong on it, nor on its console."""
    opened = visit(server.url)
    yield opened
    assert opened.complaints == []
