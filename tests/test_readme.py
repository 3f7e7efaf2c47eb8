"""What the README promises exists: commands, routes, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")]
)


def test_every_make_target_that_is_named_exists() -> None:
    """`make X` in the README is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = {word for line in re.findall(r"\bmake ((?:[a-z]+ ?)+)", README) for word in line.split()}
    assert {"serve", "test", "train", "export", "verify"} <= named
    commands = {
        word for line in re.findall(r"^make ([a-z ]+?)(?: {2,}|$)", README, re.MULTILINE) for word in line.split()
    }
    assert commands <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """Links and pictures in the documents exist in the repository."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_every_python_module_that_is_named_in_a_command_exists() -> None:
    """`python -m X` in the documents can be run."""
    for document in DOCUMENTS:
        for module in re.findall(r"python -m ([a-z_.]+)", document.read_text()):
            path = ROOT / module.rstrip(".").replace(".", "/")
            known = module in {"pytest", "bentoml", "venv", "pip", "http.server"}
            assert known or path.with_suffix(".py").exists() or (path / "__main__.py").exists(), (document, module)
