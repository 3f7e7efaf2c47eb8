"""Pictures of low quality: reduced by their sender, out of focus, lines of one pixel, a soft thick pen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from training.synth import paper
from training.synth.drawing import Drawing
from training.synth.scenes import Rng, photo

Grey = NDArray[np.uint8]


def reduced(digit: Drawing, rng: Rng) -> Grey:
    """Photograph a digit and make the photo as small as the network's input, or nearly, uneven light and all."""
    pixels = photo(digit, rng, share=(0.4, 0.85), pen=(0.06, 0.17)).render(rng, colour=False)
    side = int(rng.choice([28, 28, 28, 32, 40]))
    way = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize((side, side), way))


def out_of_focus(digit: Drawing, rng: Rng) -> paper.Sheet:
    """Photograph a digit from too near."""
    sheet = photo(digit, rng, share=(0.4, 0.75), pen=(0.04, 0.12))
    sheet.blur = min(sheet.size) * rng.uniform(0.005, 0.017)
    return sheet


def thin(digit: Drawing, rng: Rng) -> Grey:
    """Draw strokes one pixel wide into a 28 x 28 file, hard or soft, of either polarity."""
    ink = digit.write((28, 28), rng.uniform(16, 25), (14 + rng.normal(0, 1), 14 + rng.normal(0, 1)), 0.01)
    hard = (ink > rng.uniform(0.15, 0.4)).astype(np.float32)
    return _either(255 * (hard if rng.random() < 0.6 else np.minimum(1, 1.6 * ink)), rng)


def soft_marker(digit: Drawing, rng: Rng) -> Grey:
    """Draw with a fat felt pen whose edge runs, cut tight, on grainy paper."""
    side = int(rng.integers(60, 150))
    ink = digit.write((side, side), side * rng.uniform(0.8, 1.05), (side / 2, side / 2), rng.uniform(0.12, 0.22))
    solid = Image.fromarray((255 * ink).astype(np.uint8))
    soft = np.asarray(solid.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.01, 0.03))), np.float32) / 255
    level = rng.uniform(110, 220)
    grain = rng.normal(0, rng.uniform(1, 9), ink.shape)
    pixels: Grey = np.clip(level + grain - level * rng.uniform(0.5, 0.9) * soft, 0, 255).astype(np.uint8)
    return pixels


def _either(levels: NDArray[np.floating], rng: Rng) -> Grey:
    pixels: Grey = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels if rng.random() < 0.5 else np.subtract(255, pixels, dtype=np.uint8)
