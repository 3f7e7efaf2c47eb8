"""The built wheel: it serves from an empty folder, with the model that is inside it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from serving import ROOT, kill_group, start_server

from service import __version__

SEVEN = ROOT / "examples" / "seven.png"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it without network."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel (make setup)")
    folder = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def url(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Unpack it, as pip does, and start it where nothing else of this repository is found."""
    site, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        server = start_server(tmp_path_factory.mktemp("log"), cwd=empty, lame_duck_s=0)
    yield server.url
    kill_group(server.process)
    assert [*empty.iterdir()] == [], "the service wrote into the folder in which it was started"


def test_it_answers_a_picture(url: str) -> None:
    """With the model that is in the wheel."""
    answer = httpx.post(f"{url}/predict", content=SEVEN.read_bytes(), timeout=30).raise_for_status().json()
    assert (answer["digit"], answer["model"]) == (7, {"name": "digits", "version": "1"})


def test_it_decodes_avif_in_its_other_process(url: str) -> None:
    """That process finds the package too."""
    file = io.BytesIO()
    Image.open(SEVEN).convert("RGB").save(file, "AVIF")
    answer = httpx.post(f"{url}/predict", content=file.getvalue(), timeout=60).raise_for_status().json()
    assert answer["digit"] == 7


def test_it_has_the_page(url: str) -> None:
    """With its scripts and styles."""
    assert "<canvas" in httpx.get(url).text
    for name in ("app.js", "style.css", "favicon.svg"):
        assert httpx.get(f"{url}/{name}").is_success, name


def test_it_holds_two_packages_and_the_version(wheel: Path) -> None:
    """Neither tests nor benchmarks, and no package with a name that others use."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
        packed = {Path(name).name for name in archive.namelist() if name.startswith("service/models/digits/1/")}
    assert top == {"service", "training", f"digit_service-{__version__}.dist-info"}
    assert packed == {path.name for path in (ROOT / "models" / "digits" / "1").iterdir()}
