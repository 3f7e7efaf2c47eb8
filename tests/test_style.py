"""What no linter checks of the house style: names of modules and loggers, and how a docstring lists its errors."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = [path for folder in ("service", "training", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")]


def test_no_module_hides_one_of_the_standard_library() -> None:
    """A module or folder named as one of Python's could be imported in its place."""
    names = {path.stem: path for path in MODULES} | {path.parent.name: path.parent for path in MODULES}
    assert not {name: path for name, path in names.items() if name in sys.stdlib_module_names - {"__main__"}}


def test_every_test_module_has_a_name_of_its_own() -> None:
    """Two of one name in two folders cannot be collected together."""
    names = Counter(path.name for path in MODULES if path.name.startswith("test_"))
    assert not {name: count for name, count in names.items() if count > 1}


@pytest.mark.parametrize("package", ["service", "training", "benchmarks"])
def test_every_logger_is_named_logger(package: str) -> None:
    """What `logging.getLogger` gives for a module has one name in all of them."""
    for path in (ROOT / package).rglob("*.py"):
        found = re.findall(r"^(\w+) = logging\.getLogger", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not {"log", "LOG", "LOGGER", "_logger"} & set(found), path


@pytest.mark.parametrize("package", ["service", "training"])
def test_every_constant_is_final(package: str) -> None:
    """A name in capitals is never assigned again, and mypy holds it to that."""
    for path in (ROOT / package).rglob("*.py"):
        loose = re.findall(r"^_?[A-Z][A-Z0-9_]+ = .*", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not loose, f"{path}: {loose}; write `NAME: Final = …`"


def test_every_docstring_lists_its_errors_the_same_way() -> None:
    """`Raises:` stands alone on its line, and each line below names an error: no prose to read for it."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
                continue
            for place, line in enumerate(lines := (ast.get_docstring(node) or "").splitlines()):
                if line.lstrip().startswith("Raises"):
                    assert line == "Raises:", f"{path}: {line}"
                    assert re.match(r"    [A-Z]\w+(, [A-Z]\w+)*: ", lines[place + 1]), f"{path}: {lines[place + 1]}"
