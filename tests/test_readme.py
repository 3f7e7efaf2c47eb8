"""What README and guides promise exists: commands, options, links, files."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("models/**/*.md")]
)
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    """A stranger reads it in five minutes: under 120 lines."""
    assert len(README.splitlines()) < 120


def test_every_guide_is_reached_from_the_readme() -> None:
    """Each page of docs/ is linked in the README or in a guide, and each lab note in the lab's own list."""
    linked = set(re.findall(r"\]\(docs/(\w+\.md)", README))
    linked |= {name for page in ROOT.glob("docs/*.md") for name in re.findall(r"\]\((\w+\.md)", page.read_text())}
    assert {page.name for page in ROOT.glob("docs/*.md")} <= linked
    notes = (ROOT / "docs/lab/README.md").read_text()
    assert {page.name for page in ROOT.glob("docs/lab/*.md")} == set(re.findall(r"\]\((\w+\.md)\)", notes)) | {
        "README.md"
    }


@each_document
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    """`make X` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    text = document.read_text()
    named = {word for line in re.findall(r"`make ((?:[a-z-]+ ?)+)", text) for word in line.split()}
    named |= {word for line in re.findall(r"^make ([a-z -]+?)(?: {2,}|$)", text, re.MULTILINE) for word in line.split()}
    assert named <= targets


@each_document
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """Links and pictures in the documents exist in the repository, and so do the headings that they name."""
    for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", document.read_text()):
        if "://" in link:
            continue
        target = document.parent / link if link else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), f"{link}#{anchor}"


@each_document
def test_every_python_module_that_is_named_in_a_command_exists(document: Path) -> None:
    """`python -m X` in the documents can be run."""
    for module in re.findall(r"python3? -m ([a-z_.]+)", document.read_text()):
        path = ROOT / module.rstrip(".").replace(".", "/")
        known = module in {"pytest", "bentoml", "venv", "pip", "http.server", "hatchling"}
        assert known or path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@each_document
def test_every_training_command_has_the_options_that_are_named(document: Path) -> None:
    """`python -m training X --option` in the documents is understood by the command line."""
    from training.cli import _parser  # noqa: PLC0415 - torch, which few of these tests need

    action = next(each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction))
    for command, rest in re.findall(r"python -m training ([a-z-]+)([^`\n#|;.]*)", document.read_text()):
        assert command in action.choices, command
        options = set(re.findall(r"(?<=\s)--[a-z-]+", rest))
        assert options <= set(action.choices[command]._option_string_actions), (command, options)
