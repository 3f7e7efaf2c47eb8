"""Slow pictures as recipes: the same each time, and bred from each other."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from benchmarks.chaos.attacks import attacks
from benchmarks.recipes import CHANGES, PATTERNS, PHOTO_SIDE, Layer, Recipe, as_file, draw
from benchmarks.search import bred, search
from benchmarks.worst import FOUND
from service.preprocess import prepare, preprocess

INK = (20, 20, 20)


@pytest.mark.parametrize("kind", [*PATTERNS, *CHANGES])
def test_every_pattern_is_drawn_the_same_each_time(kind: str) -> None:
    """It changes the page, and in a colour it makes a picture in colours."""
    recipe = Recipe(50, (200, 200, 200), (Layer(kind, 0.1, 0.5, INK, 7), Layer("squares", 0.4, 0.5, INK, 7)))
    page = draw(recipe)
    assert (page.shape, page.dtype) == ((50, 50), np.uint8)
    assert np.array_equal(page, draw(recipe))
    assert not np.array_equal(page, draw(replace(recipe, layers=recipe.layers[1:]))) or kind in CHANGES
    assert draw(replace(recipe, page=(200, 200, 100))).shape == (50, 50, 3)


@pytest.mark.parametrize("recipe", FOUND, ids=lambda recipe: f"{recipe.side}")
def test_what_was_found_has_an_answer(recipe: Recipe) -> None:
    """Ten, two of each side; looked at small, since the large ones take long to draw."""
    assert prepare(draw(replace(recipe, side=60))).image.shape == (28, 28)
    assert len(FOUND) == 2 * len({one.side for one in FOUND}) == 10


def test_a_photo_has_12_megapixels() -> None:
    """And is a JPEG, of which the decoder gives what the pipeline needs."""
    data = as_file(Recipe(PHOTO_SIDE, (200, 200, 200), ()))
    assert data.startswith(b"\xff\xd8")
    assert preprocess(data).rejected == "blank"


def test_recipes_are_bred_by_chance_that_begins_the_same() -> None:
    """The same seed, the same recipes; each differs from its parent, and none grows without end."""
    families = []
    for _ in range(2):
        choose, family = random.Random(3), [Recipe(28, INK, (Layer("maze", 0.1, 0.5, INK, 0),))]
        for _ in range(200):
            family.append(bred(family, 28, choose))
        families.append(family)
    assert families[0] == families[1]
    assert len(set(families[0])) > 150
    assert max(len(recipe.layers) for recipe in families[0]) <= 4


def test_a_search_gives_recipes_that_differ_in_their_patterns() -> None:
    """However short it is."""
    found = search(28, 0.5, random.Random(0))
    assert found
    assert len({frozenset(layer.kind for layer in recipe.layers) for recipe in found}) == len(found)


def test_chaos_sends_what_was_found() -> None:
    """Among its hostile requests."""
    names = {attack.name for attack in islice(attacks(400, 0), 400)}
    assert {f"slowest of {recipe.side}" for recipe in FOUND} <= names
