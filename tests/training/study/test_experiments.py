"""The comparison of networks goes on where it was stopped, and never mixes two recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from samples import stripes
from torch import nn

from training.data.mnist import Digits
from training.learn.recipes import Recipe
from training.study import experiments
from training.study.cells import CELLS
from training.study.experiments import SHORT, compare_cells


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Recipe and seed of each network that is trained, on striped pictures and not at all."""
    calls: list[tuple[str, int]] = []

    def train(build: Callable[[], nn.Module], recipe: Recipe, seed: int, _: Digits) -> nn.Module:
        calls.append((recipe.name, seed))
        return build()

    monkeypatch.setattr(experiments, "train_cell", train)
    monkeypatch.setattr(experiments, "load_mnist", lambda *_, **__: stripes(40))
    monkeypatch.setattr(experiments, "split", lambda digits, _: (digits[:20], digits[20:]))
    return calls


def test_what_is_done_is_not_done_again(tmp_path: Path, trained: list[tuple[str, int]]) -> None:
    """A second seed trains the second seed only, and the result has both."""
    first = compare_cells([0], tmp_path, tmp_path)
    both = compare_cells([0, 1], tmp_path, tmp_path)
    assert trained == [("short", 0)] * len(CELLS) + [("short", 1)] * len(CELLS)
    assert both[: len(CELLS)] == first
    assert [(each.cell, each.seed) for each in both] == [(cell, seed) for seed in (0, 1) for cell in CELLS]


def test_another_recipe_begins_anew(tmp_path: Path, trained: list[tuple[str, int]]) -> None:
    """Networks that learnt longer stand in no table with those that did not."""
    compare_cells([0], tmp_path, tmp_path)
    compare_cells([0], tmp_path, tmp_path, replace(SHORT, name="long", epochs=9))
    assert trained == [("short", 0)] * len(CELLS) + [("long", 0)] * len(CELLS)
