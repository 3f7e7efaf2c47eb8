"""How dark each pixel is against the paper around it, whatever the light and whichever of the two is the darker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from service.preprocess.window import close_holes

Grey = NDArray[np.uint8]
WIDE: Final = 3  # a pen is never wider than this fraction of a photo's longer side...
NARROW: Final = 12  # ...and mostly narrower than this one, which leaves fewer clouds and shadows
DARK: Final = 110  # median level of a photo below which light ink on a dark board is thought of
MOST: Final = 0.7  # a level that covers more of the picture than this is paper: no digit's ink fills its box so far
BIMODAL: Final = 0.75  # share of the variance between two levels, from which on a picture counts as two-tone
CROP: Final = 100  # pixels; below, outlines and a scanner's grain take so much of the picture that less of it is even
EVEN: Final = 10  # grey levels: a border that varies less is a clean canvas, not a photo


@dataclass(frozen=True)
class Ink:
    """Contrast against the paper.

    Attributes:
        contrast: uint8 [height, width], 0 paper to 255 as far from the paper as black from white.
        noise: standard deviation of the contrast on bare paper, same scale.
        inverted: whether the ink was lighter than the paper.
        clean: whether it is a drawing or a scan, on an even ground, rather than a photo.
        bordered: whether the even ground goes all the way round, which shadows, lamps and tables leave to no page.
        window: in pixels; strokes wider than half of it may have been taken for paper; 0 for no limit.
        tight: whether it is read as a picture cut out along the digit's ink, which then reaches all four sides.
    """

    contrast: Grey
    noise: float
    inverted: bool
    clean: bool = True
    bordered: bool = False
    window: int = 0
    tight: bool = False


def read_ink(grey: Grey) -> Iterator[Ink]:
    """Take the paper away from a grey picture, uint8 [height, width], 0 black to 255 white.

    Yields the possible readings. The first is certain if it is clean and what it shows has sharp edges, or an even
    ground all the way round; of the others the one with the best digit in it is right.
    """
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    tight = _cut_tight(grey, border)
    if tight is not None:
        yield tight
    ground = int(np.median(border))
    away = np.abs(grey.astype(np.int16) - ground)
    even_border = float(np.mean(np.abs(border.astype(np.int16) - ground) <= EVEN))
    far = np.count_nonzero(away > 4 * EVEN) / grey.size
    between = 1 - far - np.count_nonzero(away <= EVEN) / grey.size
    crop = min(grey.shape) < CROP
    bordered = even_border == 1
    least, most = (0.6, 0.3) if crop or bordered else (0.85, 0.05)
    thickest = 0.65 if crop and even_border > 0.75 else 0.45
    if even_border > least and between < most and far < thickest:
        yield _on_canvas(grey, ground, bordered=bordered)
    soft = np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(0.8)))
    side = max(grey.shape)
    for window in (side // WIDE | 1, side // NARROW | 1):
        yield _on_paper(grey, soft, window)
    if np.median(grey) < DARK:
        yield _on_paper(grey, 255 - soft, side // WIDE | 1, inverted=True)


def _on_canvas(grey: Grey, ground: int, *, bordered: bool) -> Ink:
    """An even ground: the border tells its level, and the farther side is ink."""
    signed = grey.astype(np.int16) - ground
    dark, light = (np.clip(side, 0, 255).astype(np.uint8) for side in (-signed, signed))
    inverted = _weight(light) > _weight(dark)
    return Ink(light if inverted else dark, float(np.std(signed[np.abs(signed) <= EVEN])), inverted, bordered=bordered)


def _cut_tight(grey: Grey, border: Grey) -> Ink | None:
    """Two levels, and ink at all four sides: a digit cut out along its ink, where no single place is sure to be paper.

    The paper is what most of the picture is; where that is not clear, the border, the corners and the whole vote.
    """
    threshold, separation = split_levels(grey)
    if separation < BIMODAL:
        return None
    light = np.asarray(grey > threshold, np.bool_)
    corners = np.array([light[0, 0], light[0, -1], light[-1, 0], light[-1, -1]])
    share = float(light.mean())
    if MOST > share > 1 - MOST:
        share = float(share + (border > threshold).mean() + corners.mean()) / 3
    inverted = share < 0.5
    ink: NDArray[np.bool_] = np.logical_xor(light, not inverted)
    filled = float(max(ink[[0, -1]].mean(1).max(), ink[:, [0, -1]].mean(0).max()))
    if not reaches_all_sides(ink) or filled > 0.9:
        return None
    signed = grey.astype(np.int16) - int(np.median(grey[~ink]))
    return Ink(np.clip(signed if inverted else -signed, 0, 255).astype(np.uint8), 0.0, inverted, tight=True)


def reaches_all_sides(ink: NDArray[np.bool_]) -> bool:
    """Tell whether ink, bool [height, width], comes near all four sides of the picture."""
    margin = max(3, max(ink.shape) // 25)
    places = np.nonzero(ink)
    return bool(places[0].size) and all(
        place.min() < margin and place.max() >= side - margin for place, side in zip(places, ink.shape, strict=True)
    )


def _on_paper(grey: Grey, soft: Grey, size: int, *, inverted: bool = False) -> Ink:
    """Uneven light: the paper is what is left when everything narrower than `size` pixels is filled up."""
    bare = close_holes(soft, size)
    paper = np.maximum(bare, 24).astype(np.float32)
    contrast = ((bare - soft) * (255 / paper)).astype(np.uint8)
    return Ink(contrast, _noise(grey) * 255 / float(np.median(paper)), inverted, clean=False, window=size)


def _noise(grey: Grey) -> float:
    """Estimate the sensor's noise from the differences of next neighbours (median absolute deviation)."""
    difference = np.abs(np.diff(grey[:, ::2].astype(np.int16), axis=1))
    return float(np.median(difference) / 0.6745 / np.sqrt(2))


def _weight(contrast: Grey) -> float:
    """Tell how much there is to see: the mean square, so that faint clouds count little."""
    return float(np.mean(contrast.astype(np.float32) ** 2))


def split_levels(grey: Grey) -> tuple[int, float]:
    """Split grey levels in two (N. Otsu, 1979): the threshold, and the share of variance between the two."""
    histogram = np.bincount(grey.reshape(-1), minlength=256).astype(np.float64) / grey.size
    levels = np.arange(256)
    weight, mean = histogram.cumsum(), (histogram * levels).cumsum()
    total = float(((levels - mean[-1]) ** 2 * histogram).sum())
    inside = weight * (1 - weight)
    between = np.where(inside > 1e-9, (mean[-1] * weight - mean) ** 2 / np.maximum(inside, 1e-9), 0)
    threshold = int(between.argmax())
    return threshold, float(between[threshold]) / total if total > 0 else 0.0
