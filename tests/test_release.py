"""One version everywhere: package, changelog, image label, model card, guide."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import date
from pathlib import Path

from service import __version__
from service.settings import SHIPPED_MODEL

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES: list[tuple[str, str]] = re.findall(r"^## (\d+\.\d+\.\d+) - (\S+)$", CHANGELOG, re.MULTILINE)


def test_the_changelog_begins_with_this_version() -> None:
    """Each release has a number and a date, the newest first; only "Unreleased" may stand above."""
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert [each for each in headings if each != "Unreleased"] == [f"{number} - {day}" for number, day in RELEASES]
    assert RELEASES[0][0] == __version__
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert days == sorted(days, reverse=True)


def test_the_image_is_labelled_with_this_version() -> None:
    """`make image` hands it to the Dockerfile, whose label takes it."""
    planned = subprocess.run(["make", "-n", "image"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"--build-arg VERSION={__version__} " in planned
    assert 'org.opencontainers.image.version="${VERSION}"' in (ROOT / "Dockerfile").read_text()


def test_the_card_names_a_release() -> None:
    """The shipped model says with which release it came; a later release may keep the model."""
    for folder in SHIPPED_MODEL.glob("*/"):
        release = json.loads((folder / "manifest.json").read_text())["release"]
        assert release in {number for number, _ in RELEASES}
        assert f"| release | digit-service {release} |" in (folder / "README.md").read_text()


def test_the_guide_names_this_wheel() -> None:
    """The file name in docs/start.md is the one that is built now."""
    named = re.findall(r"digit_service-([\d.]+)-py3", (ROOT / "docs" / "start.md").read_text())
    assert named == [__version__]
