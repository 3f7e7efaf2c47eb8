"""Augmentation changes pictures within its bounds, and only by its own random numbers."""

from __future__ import annotations

import pytest
import torch
from samples import stripes
from torch.nn import functional

from training.learn.augment import Augmentation, augment

NOTHING = Augmentation(0, 0, 0, 0, 0)
IMAGES = stripes(16).images.unsqueeze(1).float() / 255


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def test_no_change_is_no_change() -> None:
    """All amounts at 0 give the picture back."""
    torch.testing.assert_close(augment(IMAGES, NOTHING, seeded()), IMAGES, atol=1e-5, rtol=0)


def test_the_same_numbers_give_the_same_pictures() -> None:
    """A batch depends on its generator and not on torch's global one."""
    first = augment(IMAGES, Augmentation(stroke=0.5), seeded())
    torch.rand(3)
    assert torch.equal(first, augment(IMAGES, Augmentation(stroke=0.5), seeded()))
    assert not torch.equal(first, augment(IMAGES, Augmentation(stroke=0.5), seeded(1)))


@pytest.mark.parametrize("stroke", [0.0, 0.8])
def test_pictures_stay_pictures(stroke: float) -> None:
    """Shape and range survive the largest changes."""
    changed = augment(IMAGES, Augmentation(45, 0.5, 0.5, 6, 4, stroke=stroke), seeded())
    assert changed.shape == IMAGES.shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_a_shift_stays_within_its_bound() -> None:
    """The centre of a dot moves by at most the shift, and really moves."""
    dots = torch.zeros(200, 1, 28, 28)
    dots[:, :, 13:15, 13:15] = 1
    moved = augment(dots, Augmentation(0, 0, 0, 2, 0), seeded())
    axis = torch.arange(28.0)
    centres = (moved * axis).sum(dim=(1, 2, 3)) / moved.sum(dim=(1, 2, 3)) - 13.5
    assert centres.abs().max() <= 2.001
    assert centres.abs().max() > 1.5


def test_the_affine_part_is_pytorchs() -> None:
    """The one matrix product gives the sampling grid that torch's affine_grid gives."""
    how = Augmentation(30, 0, 0, 0, 0)
    angle = (torch.rand(16, 6, generator=seeded())[:, 0] * 2 - 1) * torch.pi / 6
    zero = torch.zeros(16)
    rows = [torch.stack([angle.cos(), -angle.sin(), zero], 1), torch.stack([angle.sin(), angle.cos(), zero], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), [16, 1, 28, 28], align_corners=False)
    expected = functional.grid_sample(IMAGES, grid, align_corners=False)
    torch.testing.assert_close(augment(IMAGES, how, seeded()), expected, atol=1e-4, rtol=0)


def test_stroke_width_goes_both_ways() -> None:
    """Some pictures gain ink and some lose it."""
    ink = augment(IMAGES, Augmentation(0, 0, 0, 0, 0, stroke=1), seeded()).mean(dim=(1, 2, 3)) - IMAGES.mean(
        dim=(1, 2, 3)
    )
    assert ink.min() < 0 < ink.max()
