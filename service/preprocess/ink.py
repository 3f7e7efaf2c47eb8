"""How dark each pixel is against the paper around it, whatever the light and whichever of the two is the darker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.preprocess.window import close_holes

Grey = NDArray[np.uint8]
EVEN: Final = 10  # grey levels: a border that varies less is a clean canvas, not a photo


@dataclass(frozen=True)
class Ink:
    """Contrast against the paper.

    Attributes:
        contrast: uint8 [height, width], 0 paper to 255 as far from the paper as black from white.
        noise: standard deviation of the contrast on bare paper, same scale.
        inverted: whether the ink was lighter than the paper.
        clean: whether it is a drawing or a scan, on an even ground, rather than a photo.
    """

    contrast: Grey
    noise: float
    inverted: bool
    clean: bool = True


def find_ink(grey: Grey) -> Ink:
    """Take the paper away from a grey picture, uint8 [height, width], 0 black to 255 white."""
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    ground = int(np.median(border))
    away = np.abs(grey.astype(np.int16) - ground)
    even, far = np.count_nonzero(away <= EVEN), np.count_nonzero(away > 4 * EVEN)
    if np.mean(np.abs(border.astype(np.int16) - ground) <= EVEN) > 0.6 and even + far > 0.85 * grey.size and far < 0.45 * grey.size:  # noqa: PLR2004
        return _on_canvas(grey, border, ground)
    threshold, separation = split_levels(grey)
    if separation > 0.85 and max(grey.shape) < 40:  # noqa: PLR2004
        return _two_tone(grey, border, threshold)
    return _on_paper(grey)


def _on_canvas(grey: Grey, border: Grey, ground: int) -> Ink:
    """An even ground: the border tells its level, and the farther side is ink."""
    signed = grey.astype(np.int16) - ground
    dark, light = (np.clip(side, 0, 255).astype(np.uint8) for side in (-signed, signed))
    inverted = _weight(light) > _weight(dark)
    return Ink(light if inverted else dark, float(np.std(signed[np.abs(signed) <= EVEN])), inverted)


def _two_tone(grey: Grey, border: Grey, threshold: int) -> Ink:
    """Two levels and no even border (a digit cut tight): the ground is what most of the border and of the picture is."""
    dark_share = 0.5 * float(np.mean(border <= threshold)) + 0.5 * float(np.mean(grey <= threshold))
    inverted = dark_share > 0.5
    side = grey > threshold if inverted is False else grey <= threshold
    ground = int(np.median(grey[side])) if side.any() else 255
    signed = grey.astype(np.int16) - ground
    return Ink(np.clip(signed if inverted else -signed, 0, 255).astype(np.uint8), 0.0, inverted)


def _on_paper(grey: Grey) -> Ink:
    soft = np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(0.8)))
    size = max(grey.shape) // 3 | 1
    inverted = False
    contrast = _below(soft, close_holes(soft, size))
    return Ink(contrast, _noise(grey), inverted, clean=False)


def _below(image: Grey, paper: Grey) -> Grey:
    """Give the share of light that the ink takes away: 255 * (1 - image / paper)."""
    paper16 = np.maximum(paper, 24).astype(np.float32)
    return np.clip(255 - image.astype(np.float32) * (255 / paper16), 0, 255).astype(np.uint8)


def _noise(grey: Grey) -> float:
    """Estimate the sensor's noise from the differences of next neighbours (median absolute deviation)."""
    difference = np.abs(np.diff(grey[:, ::2].astype(np.int16), axis=1))
    return float(np.median(difference)) / 0.6745 / np.sqrt(2)


def _weight(contrast: Grey) -> float:
    """Tell how much there is to see: the mean square, so that faint clouds count little."""
    return float(np.mean(contrast.astype(np.float32) ** 2))


def split_levels(grey: Grey) -> tuple[int, float]:
    """Split grey levels in two (N. Otsu, 1979); returns the threshold and the share of variance that the split explains."""
    histogram = np.bincount(grey.reshape(-1), minlength=256).astype(np.float64) / grey.size
    levels = np.arange(256)
    weight, mean = histogram.cumsum(), (histogram * levels).cumsum()
    total = float(((levels - mean[-1]) ** 2 * histogram).sum())
    inside = weight * (1 - weight)
    between = np.where(inside > 1e-9, (mean[-1] * weight - mean) ** 2 / np.maximum(inside, 1e-9), 0)  # noqa: PLR2004
    threshold = int(between.argmax())
    return threshold, float(between[threshold]) / total if total > 0 else 0.0
