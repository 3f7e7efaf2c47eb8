"""Below a path of a proxy's: real nginx in front, which takes the path off or leaves it on, over a port and a file."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import httpx
import pytest
from serving import OURS, free_port, kill_group, start_server, wait_for

from service.errors import ConfigurationError
from service.settings import load_settings

FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
# Two proxies of one service: the first hands /digits/… on as it is, the second takes /digits off.
NGINX = """daemon off; user root; pid {folder}/pid; error_log stderr crit; events {{}}
http {{ access_log off; {temporary} absolute_redirect off;
  upstream digits {{ server unix:{file}; keepalive 4; }}
  server {{ listen 127.0.0.1:{leaves}; location /digits {{ proxy_pass http://digits; }} }}
  server {{ listen 127.0.0.1:{takes}; location /digits/ {{ proxy_pass http://digits/; }} }}
}}
"""


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of the service itself (below both), and of the two proxies."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    leaves, takes = free_port(), free_port()
    temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in FOLDERS)
    with tempfile.TemporaryDirectory(prefix="d") as short:
        file = f"{short}/s"
        settings = {"folder": folder, "temporary": temporary, "file": file, "leaves": leaves, "takes": takes}
        (folder / "nginx.conf").write_text(NGINX.format(**settings))
        command = (*OURS[:3], "--uds", file, "--root-path", "/digits/")
        server = start_server(folder, command, wait=False, lame_duck_s=0)
        process = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        try:
            for port in (leaves, takes):
                wait_for(lambda port=port: is_up(f"http://127.0.0.1:{port}/digits"))  # type: ignore[misc]
            yield {"left on": f"http://127.0.0.1:{leaves}", "taken off": f"http://127.0.0.1:{takes}"}
        finally:
            process.terminate()
            process.wait()
            kill_group(server.process)


def is_up(url: str) -> bool:
    """Whether the service is reached."""
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(params=["left on", "taken off"])
def base(request: pytest.FixtureRequest, proxies: dict[str, str]) -> str:
    """The service's address on a proxy."""
    return f"{proxies[request.param]}/digits"


def test_routes_answer_below_the_path(base: str) -> None:
    """Those with a body and those without, with a slash at their end, and errors in the form of their protocol."""
    assert httpx.get(f"{base}/v1/models").json() == {"models": ["digits"]}
    assert httpx.get(f"{base}/v2/health/ready/").json() == {"ready": True}
    assert "error" in httpx.post(f"{base}/predict", content=b"x").json()
    assert isinstance(httpx.get(f"{base}/v2/models/letters").json()["error"], str)


def test_the_page_is_found_without_its_slash(base: str) -> None:
    """Its links are relative, so that it must be seen at /digits/."""
    answer = httpx.get(f"{base}?a=1", follow_redirects=False)
    assert answer.status_code in (301, 308)
    assert re.fullmatch(r"/digits/(\?a=1)?", answer.headers["location"])
    page = httpx.get(base, follow_redirects=True)
    assert page.url.path == "/digits/"
    links = re.findall(r'(?:href|src)="([^"#]+)"', page.text)
    scripts = [httpx.get(page.url.join(link)) for link in links]
    imports = [script.url.join(one) for script in scripts for one in re.findall(r'from "([^"]+)"', script.text)]
    assert len(links) > 3
    assert len(imports) > 3
    assert all(httpx.get(address).status_code == 200 for address in [page.url.join(link) for link in links] + imports)


def test_the_description_names_the_path(base: str) -> None:
    """Generated clients send their requests below it."""
    assert httpx.get(f"{base}/docs.json").json()["servers"] == [{"url": "/digits"}]


@pytest.mark.parametrize("path", ["digits", "/a b", "/a?b", "//", "/a//b", "/a#b", "http://a/b"])
def test_what_is_no_path_stops_the_start(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """The error names the variable."""
    monkeypatch.setenv("DIGITS_ROOT_PATH", path)
    with pytest.raises(ConfigurationError, match="DIGITS_ROOT_PATH"):
        load_settings()
