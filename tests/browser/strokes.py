"""Ten digits as a hand would draw them, and some of their other forms: strokes of points in the unit square."""

from __future__ import annotations

from math import cos, radians, sin

Point = tuple[float, float]
Strokes = list[list[Point]]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 16) -> list[Point]:
    """Follow an ellipse around (x, y) from one angle to another, in degrees clockwise from the right."""
    angles = [radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(x + rx * cos(angle), y + ry * sin(angle)) for angle in angles]


DIGITS: dict[str, Strokes] = {
    "0": [arc(0.5, 0.5, 0.19, 0.29, -90, 270)],
    "1": [[(0.52, 0.2), (0.5, 0.5), (0.48, 0.8)]],
    "1 with an up-stroke": [[(0.36, 0.36), (0.54, 0.18), (0.53, 0.5), (0.52, 0.82)]],
    "2": [[*arc(0.5, 0.36, 0.17, 0.16, -170, 40), (0.35, 0.78), (0.5, 0.77), (0.7, 0.78)]],
    "3": [arc(0.48, 0.35, 0.17, 0.14, -150, 90) + arc(0.48, 0.64, 0.2, 0.15, -90, 150)],
    "4": [[(0.42, 0.2), (0.3, 0.55), (0.7, 0.55)], [(0.62, 0.25), (0.6, 0.8)]],
    "4 in one stroke": [[(0.68, 0.58), (0.3, 0.58), (0.57, 0.2), (0.57, 0.82)]],
    "5": [[(0.66, 0.2), (0.38, 0.2), (0.36, 0.45), *arc(0.48, 0.61, 0.19, 0.18, -110, 140)]],
    "6": [[(0.6, 0.18), (0.45, 0.35), *arc(0.5, 0.63, 0.17, 0.17, 190, 550)]],
    "7": [[(0.3, 0.22), (0.7, 0.22), (0.45, 0.82)]],
    "7 with a bar": [[(0.3, 0.22), (0.7, 0.22), (0.45, 0.82)], [(0.42, 0.52), (0.68, 0.5)]],
    "8": [arc(0.5, 0.36, 0.14, 0.14, 90, -270) + arc(0.5, 0.65, 0.17, 0.16, -90, 270)],
    "9": [[*arc(0.5, 0.36, 0.16, 0.16, 0, -360), (0.66, 0.45), (0.6, 0.82)]],
}
