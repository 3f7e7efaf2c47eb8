"""How other people write: the shapes of Europe, programmers and engineers, which MNIST's Americans hardly use."""

from __future__ import annotations

import numpy as np

from training.synth.strokes import Strokes, join, polyline

Rng = np.random.Generator


def with_habits(strokes: Strokes, label: int, rng: Rng) -> Strokes:
    """Give some traced digits another shape of 0, 1 or 7, in the share that MNIST lacks."""
    chance = rng.random()
    if label == 0 and chance < 0.15:
        return struck_zero(strokes, rng)
    if label == 1 and chance < 0.55:
        return caret_one(rng) if chance < 0.3 else european_one(rng)
    if label == 7 and chance < 0.35:
        return barred_seven(strokes, rng)
    return strokes


def european_one(rng: Rng) -> Strokes:
    """Draw a 1 as Europeans do: a stem with a long up-stroke, at times a foot."""
    top = (0.55 + rng.uniform(-0.08, 0.12), 0.16)
    bottom = (top[0] + rng.normal(-0.04, 0.06), 0.84)
    angle = rng.uniform(0.35, 1.15)  # between up-stroke and stem, radians
    length = rng.uniform(0.16, 0.52) * (1 if angle < 0.9 else 0.8)
    tip = (top[0] - length * np.sin(angle), top[1] + length * np.cos(angle))
    one = polyline(tip, top, bottom, bend=rng.normal(0, 0.04))
    if rng.random() < 0.3:
        half, tilt = rng.uniform(0.1, 0.25), rng.normal(0, 0.02)
        foot = polyline(
            (bottom[0] - half, bottom[1] + tilt), (bottom[0] + half * rng.uniform(0.7, 1.1), bottom[1] - tilt)
        )
        one = join(one, foot)
    return one


def caret_one(rng: Rng) -> Strokes:
    """Draw a 1 whose up-stroke starts at or near the base line, as in France and Czechia: straight, bent or hooked."""
    top = (0.55 + rng.uniform(-0.08, 0.12), 0.16)
    bottom = (top[0] + rng.normal(0.0, 0.09), 0.84 + rng.normal(0, 0.03))
    tip = (min(top[0], bottom[0]) - rng.uniform(0.08, 0.4), rng.uniform(0.6, 0.88))
    rise = polyline(tip, top, bend=rng.normal(0, 0.09))
    parts = [rise, polyline(top, bottom, bend=rng.normal(0, 0.05))]
    if rng.random() < 0.35:  # the pen comes in with a little hook
        parts.append(polyline((tip[0] - rng.uniform(0.02, 0.1), tip[1] - rng.uniform(-0.05, 0.1)), tip, bend=0.2))
    if rng.random() < 0.25:  # and leaves with one
        parts.append(polyline(bottom, (bottom[0] + rng.uniform(-0.05, 0.1), bottom[1] - rng.uniform(0.0, 0.08))))
    return join(*parts)


def barred_seven(seven: Strokes, rng: Rng) -> Strokes:
    """Put a bar across the stem of a traced 7, at its middle third."""
    top, bottom = seven.points[:, 1].min(), seven.points[:, 1].max()
    y = top + (bottom - top) * rng.uniform(0.42, 0.65)
    near = np.abs(seven.points[:, 1] - y) < 0.02
    if not near.any():
        return seven
    x = float(seven.points[near, 0].mean())
    half, tilt = rng.uniform(0.09, 0.22), rng.normal(-0.02, 0.04)
    shift = rng.normal(0, 0.03)
    left, right = (x + shift - half, float(y - tilt)), (x + shift + half, float(y + tilt))
    return join(seven, polyline(left, right, bend=rng.normal(0, 0.05)))


def struck_zero(zero: Strokes, rng: Rng) -> Strokes:
    """Strike a 0 through from the upper right, within its ring or beyond it, or put a dot into it."""
    low, high = zero.points.min(0), zero.points.max(0)
    middle, half = (low + high) / 2, (high - low) / 2
    if rng.random() < 0.2:
        dot = 0.04 * rng.uniform(0.3, 1.0)
        x, y = middle.tolist()
        return join(zero, polyline((x - dot, y), (x + dot, y)))
    reach = half * rng.uniform(0.55, 1.15, 2)
    start, end = (middle[0] + reach[0], middle[1] - reach[1]), (middle[0] - reach[0], middle[1] + reach[1])
    return join(zero, polyline((float(start[0]), float(start[1])), (float(end[0]), float(end[1])), bend=0.0))
