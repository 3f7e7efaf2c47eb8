"""The page's files: read once, answered with the right headers, and nothing else reachable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.api.page import SECURITY_HEADERS, WEB_FOLDER, Page
from service.errors import ConfigurationError

MAX_BYTES = 100 * 1024


@pytest.fixture(scope="module")
def page() -> Page:
    """The page as it ships."""
    return Page.load()


def test_the_root_is_the_html_page(page: Page) -> None:
    """`/` answers index.html as UTF-8 HTML."""
    asset = page.get("/")
    assert asset is not None
    assert asset.headers["content-type"] == "text/html; charset=utf-8"
    assert asset.body == (WEB_FOLDER / "index.html").read_bytes()


def test_every_file_that_the_page_names_is_there(page: Page) -> None:
    """Each href, src and import in the page's files leads to an asset of the right type."""
    for path, asset in page.assets.items():
        text = asset.body.decode()
        names = re.findall(r'(?:href|src)="([^":#]+\.\w+)"', text) + re.findall(r'from "\./([^"]+)"', text)
        for name in names:
            if name == "docs.json":  # BentoML's
                continue
            linked = page.get(f"/{name}")
            assert linked is not None, f"{path} names {name}"
            assert linked.content_type != "application/octet-stream"


def test_every_id_that_the_scripts_look_up_is_in_the_page(page: Page) -> None:
    """A renamed element cannot break the page unseen."""
    html = "".join(asset.body.decode() for asset in page.assets.values() if "html" in asset.content_type)
    scripts = "".join(asset.body.decode() for path, asset in page.assets.items() if path.endswith(".js"))
    wanted = set(re.findall(r'(?:\$|getElementById)\("([\w-]+)"\)', scripts))
    assert len(wanted) > 20
    assert wanted <= set(re.findall(r'id="([\w-]+)"', html))


def test_the_whole_page_is_small(page: Page) -> None:
    """All files together stay below 100 KiB, uncompressed."""
    assert sum(len(asset.body) for asset in page.assets.values()) < MAX_BYTES


def test_the_page_obeys_its_own_content_security_policy(page: Page) -> None:
    """No inline script, style or handler, and no address of another origin, is in any file."""
    policy = SECURITY_HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    html = page.assets["/"].body.decode()
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|javascript:", html)
    for asset in page.assets.values():
        assert not re.search(rb"(?:https?:)?//(?!www\.w3\.org/2000/svg)[\w-]+\.\w", asset.body)


def test_every_answer_carries_the_security_headers(page: Page) -> None:
    """Each asset is sent with the policy, without type sniffing, and is asked for again each time."""
    for asset in page.assets.values():
        headers = asset.headers
        assert headers.items() >= SECURITY_HEADERS.items()
        assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["", "/nothing", "/../page.py", "//etc/passwd", "/%2e%2e/page.py", "/web/app.js"])
def test_no_other_path_reaches_a_file(page: Page, path: str) -> None:
    """Only the listed names exist: there is no path to traverse."""
    assert page.get(path) is None


def test_an_unchanged_file_is_not_sent_again(page: Page) -> None:
    """If-None-Match with the asset's ETag, alone, weak, in a list or as *, says that the browser's copy will do."""
    asset = page.assets["/"]
    for header in (asset.etag, f"W/{asset.etag}", f'"other", {asset.etag}', "*"):
        assert asset.is_fresh(header)
    for stale in (None, "", '"other"', asset.etag.strip('"')):
        assert not asset.is_fresh(stale)


def test_another_content_has_another_etag(tmp_path: Path) -> None:
    """The ETag follows the content."""
    (tmp_path / "index.html").write_text("one")
    before = Page.load(tmp_path).assets["/"].etag
    (tmp_path / "index.html").write_text("two")
    assert Page.load(tmp_path).assets["/"].etag != before


def test_a_missing_page_is_one_clear_error(tmp_path: Path) -> None:
    """No folder, or no index.html in it, stops the start with a sentence that names the folder."""
    with pytest.raises(ConfigurationError, match="nowhere"):
        Page.load(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"no index\.html"):
        Page.load(tmp_path)
