"""Search for pictures that take the longest to prepare: recipes that change by chance, of which the slowest go on.

    python -m benchmarks.search [--sides 28 280 640 1500 4000] [--seconds 60] [--seed 0]

Prints for each side the two slowest that differ in their patterns, as Python for benchmarks/worst.py, beside a typical
picture of that side. A side of 4000 is a JPEG of 12 megapixels, the others are PNG.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from tqdm import tqdm

from benchmarks.pictures import photo, png
from benchmarks.preprocess import drawing, least
from benchmarks.recipes import CHANGES, PATTERNS, PHOTO_SIDE, Colour, Layer, Recipe, as_file
from service.preprocess import preprocess

SIDES = (28, 280, 640, 1500, PHOTO_SIDE)
KEPT = 24  # of which the next ones are bred
MOST_LAYERS = 4
FRESH = 0.2  # share that starts anew
MIXED = 0.2  # share that takes its layers from two
COLOURED = 0.3  # share of new colours that are no grey


def main(arguments: Sequence[str] | None = None) -> None:
    """Search for each side, and print what was found."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    options.add_argument("--sides", nargs="+", type=int, default=SIDES, help="sides in pixels (all)")
    options.add_argument("--seconds", type=float, default=60, help="time for each side (60)")
    options.add_argument("--seed", type=int, default=0, help="where chance begins (0)")
    chosen = options.parse_args(arguments)
    for side in chosen.sides:
        found = search(side, chosen.seconds, random.Random(chosen.seed))
        usual = cost(photo() if side == PHOTO_SIDE else png(drawing(side)), 9)
        print(f"# {side}: a typical picture {1000 * usual:.1f} ms")
        for recipe in found[:2]:
            taken = cost(as_file(recipe), 9)
            print(f"# {1000 * taken:.1f} ms, {taken / usual:.1f} times as long\n{recipe},", flush=True)


def search(side: int, seconds: float, choose: random.Random) -> list[Recipe]:
    """Breed recipes for a time; return the slowest of each set of patterns, the slowest first."""
    best: dict[tuple[str, ...], tuple[float, Recipe]] = {}
    started = time.monotonic()
    with tqdm(total=round(seconds), desc=f"side {side}", unit="s") as bar:
        while (spent := time.monotonic() - started) < seconds:
            recipe = bred([one for _, one in best.values()], side, choose)
            patterns = tuple(sorted({layer.kind for layer in recipe.layers}))
            data = as_file(recipe)
            taken = cost(data, 2)
            slowest = best.get(patterns, (0.0, recipe))[0]
            if taken > slowest and (taken := min(taken, cost(data, 3))) > slowest:  # once more, it may have been chance
                best[patterns] = taken, recipe
                kept = sorted(best.items(), key=lambda one: -one[1][0])[:KEPT]
                best = dict(kept)
            bar.set_postfix_str(f"{1000 * max(one[0] for one in best.values()):.1f} ms")
            bar.update(min(round(spent), bar.total) - bar.n)
    return [recipe for _, recipe in best.values()]


def cost(data: bytes, rounds: int) -> float:
    """Give the least processor time, in seconds, that a file takes to prepare."""
    return least(lambda: preprocess(data), rounds=rounds)[0]


def bred(parents: Sequence[Recipe], side: int, choose: random.Random) -> Recipe:
    """Make the next recipe: a new one, one of two, or a parent with something changed; early parents are likelier."""
    if not parents or choose.random() < FRESH:
        layers = tuple(new_layer(choose) for _ in range(choose.randint(1, MOST_LAYERS)))
        return Recipe(side, new_colour(choose), layers)
    parent = parents[min(int(choose.expovariate(0.3)), len(parents) - 1)]
    layers = parent.layers
    if choose.random() < MIXED:
        layers += choose.choice(parents).layers
        return replace(parent, layers=tuple(choose.sample(layers, min(len(layers), choose.randint(1, MOST_LAYERS)))))
    place = choose.randrange(len(layers))
    match choose.randrange(6):
        case 0:
            return replace(parent, page=new_colour(choose))
        case 1 if len(layers) < MOST_LAYERS:
            return replace(parent, layers=(*layers, new_layer(choose)))
        case 2 if len(layers) > 1:
            return replace(parent, layers=layers[:place] + layers[place + 1 :])
        case _:
            return replace(parent, layers=(*layers[:place], changed(layers[place], choose), *layers[place + 1 :]))


def new_layer(choose: random.Random) -> Layer:
    """Draw a layer of any kind."""
    kind = choose.choice([*PATTERNS, *CHANGES])
    return Layer(kind, new_cell(choose), round(choose.random(), 2), new_colour(choose), choose.randrange(100))


def changed(layer: Layer, choose: random.Random) -> Layer:
    """Change one thing about a layer, its numbers a little or altogether."""
    match choose.randrange(5):
        case 0:
            return replace(layer, cell=new_cell(choose))
        case 1:
            return replace(layer, cell=round(layer.cell * choose.uniform(0.7, 1.4), 4))
        case 2:
            return replace(layer, share=round(min(1, max(0, layer.share + choose.gauss(0, 0.15))), 2))
        case 3:
            return replace(layer, colour=new_colour(choose))
        case _:
            return replace(layer, seed=choose.randrange(100))


def new_cell(choose: random.Random) -> float:
    """Draw a size of parts, as a share of the side: small ones as often as large ones."""
    return round(0.0005 * 1000 ** choose.random(), 4)


def new_colour(choose: random.Random) -> Colour:
    """Draw a grey, or sometimes a colour."""
    if choose.random() < COLOURED:
        return choose.randrange(256), choose.randrange(256), choose.randrange(256)
    return (choose.randrange(256),) * 3


if __name__ == "__main__":
    main()
