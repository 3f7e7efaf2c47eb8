"""The page below a path, as behind a proxy that shares its host with others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import Server, kill_group, start_server
from strokes import DIGITS
from visitor import Visits


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below /digits."""
    server = start_server(tmp_path_factory.mktemp("below"), root_path="/digits", lame_duck_s=0)
    yield server
    kill_group(server.process)


def test_the_page_works_below_a_path(visit: Visits, below: Server) -> None:
    """All that it loads and asks for lies below the path; it names that address for the terminal."""
    page = visit(f"{below.url}/digits")
    page.draw(DIGITS["3"])
    page.see_digit("3")
    page.see("#origin").to_have_text(f"{below.url}/digits")
    assert page.complaints == []
