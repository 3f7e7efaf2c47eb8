"""The example clients of examples/, run as a reader runs them, against the running service."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from serving import ROOT, Server

EXAMPLES = ROOT / "examples"
# What each client needs: programs, then importable packages.
NEEDS = {
    "curl.sh": (("sh", "curl", "jq"), ()),
    "fetch.mjs": (("node",), ()),
    "with_requests.py": ((), ("requests",)),
    "with_httpx.py": ((), ("httpx",)),
    "bentoml_client.py": ((), ("bentoml",)),
    "triton_client.py": ((), ("tritonclient.http",)),
}
LIMIT_S = 60
each_client = pytest.mark.parametrize("client", NEEDS)


def is_importable(package: str) -> bool:
    """Whether it is installed; a missing parent package counts as missing."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def run(client: str, image: Path, url: str) -> tuple[int, str, str]:
    """Run a client; return exit status, standard output and standard error. Skip if something it needs is missing."""
    programs, packages = NEEDS[client]
    missing = [name for name in programs if shutil.which(name) is None]
    missing += [name for name in packages if not is_importable(name)]
    if missing:
        pytest.skip(f"{client} needs {', '.join(missing)}")
    command = (sys.executable if client.endswith(".py") else programs[0], EXAMPLES / client, image, url)
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_every_example_is_tested() -> None:
    """A client that is added runs here too."""
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix not in {".png", ".md"}} == set(NEEDS)


@each_client
def test_a_seven_is_read(client: str, server: Server) -> None:
    """The image of the README, and nothing but the answer is printed."""
    status, printed, errors = run(client, EXAMPLES / "seven.png", server.url)
    assert (status, errors) == (0, "")
    assert printed.startswith(("7, confidence 0.9", "7, probability 0.9"))


@each_client
def test_a_picture_without_a_digit_is_told_with_its_reason(client: str, server: Server, tmp_path: Path) -> None:
    """A rejection is an answer, no error."""
    Image.new("L", (60, 60), 255).save(tmp_path / "blank.png")
    assert run(client, tmp_path / "blank.png", server.url) == (0, "no digit: blank", "")


@each_client
def test_a_file_that_is_no_image_is_an_error_in_words(client: str, server: Server, tmp_path: Path) -> None:
    """The service's message is printed, without a traceback."""
    (tmp_path / "notes.txt").write_text("seven")
    status, printed, errors = run(client, tmp_path / "notes.txt", server.url)
    assert (status, printed) == (1, "")
    assert "in no supported picture format" in errors
    assert "Traceback" not in errors


@each_client
def test_a_missing_file_is_an_error_in_words(client: str, server: Server, tmp_path: Path) -> None:
    """Nothing is sent, and no traceback is printed."""
    status, printed, errors = run(client, tmp_path / "missing.png", server.url)
    assert (status, printed) == (1, "")
    assert errors
    assert "Traceback" not in errors
