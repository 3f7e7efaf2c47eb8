"""Augmentation of a whole batch at once, on its device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far a picture may be changed; every amount is the half-width of a uniform distribution."""

    rotate_degrees: float = 10.0
    scale: float = 0.1  # 0.1: each axis between 0.9 and 1.1 times the size
    shear: float = 0.1  # horizontal shift in heights: 0.1 is 6 degrees of slant
    shift_pixels: float = 1.0
    elastic_pixels: float = 1.0  # displacement of the control points of a smooth field
    elastic_points: int = 6  # control points along each axis
    stroke: float = 0.0  # share of a full 3x3 dilation (thicker) or erosion (thinner)


def augment(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each picture of a batch in its own way.

    Takes and returns float32 `[N, 1, 28, 28]` in 0..1 (0 background). Random numbers come only from `generator`.
    Smooth displacement fields: Simard, Steinkraus and Platt 2003, "Best Practices for CNNs Applied to Visual Document
    Analysis", with control points in place of a blurred per-pixel field because that costs a tenth.
    """
    if how.stroke:
        images = _change_stroke(images, how.stroke, generator)
    size, points = images.shape[-1], how.elastic_points
    amounts = torch.cat([_affine(images, how, generator), _elastic(images, how, generator)], dim=2)
    basis = torch.cat([_plane(size), _bumps(points, size)]).to(images.device)
    grid = (amounts @ basis).reshape(-1, 2, size, size).permute(0, 2, 3, 1)  # one product for the whole batch
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from -1..1."""
    return torch.rand(shape, generator=generator, device=like.device) * 2 - 1


def _affine(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw maps `[N, 2, 3]` from output to input coordinates, both in -1..1."""
    count, size = images.shape[0], images.shape[-1]
    draw = _uniform((count, 6), images, generator)
    angle = draw[:, 0] * math.radians(how.rotate_degrees)
    scale_x, scale_y = 1 + draw[:, 1] * how.scale, 1 + draw[:, 2] * how.scale
    shear = draw[:, 3] * how.shear
    shift = draw[:, 4:6] * (2 * how.shift_pixels / size)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([cosine / scale_x, (shear * cosine - sine) / scale_x, shift[:, 0]], dim=1),
        torch.stack([sine / scale_y, (shear * sine + cosine) / scale_y, shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _elastic(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Draw the displacements `[N, 2, points * points]` of the control points, in grid units."""
    draw = _uniform((images.shape[0], 2, how.elastic_points**2), images, generator)
    return draw * (2 * how.elastic_pixels / images.shape[-1])


def _plane(size: int) -> Tensor:
    """Return x, y and 1 of every pixel's centre as `[3, size * size]`, in grid units -1..1."""
    centres = (torch.arange(size) * 2 + 1) / size - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)]).reshape(3, -1)


def _bumps(points: int, size: int) -> Tensor:
    """Return what each control point adds to every pixel, bicubically: `[points * points, size * size]`."""
    basis = torch.eye(points**2).reshape(-1, 1, points, points)
    return functional.interpolate(basis, size=(size, size), mode="bicubic", align_corners=True).reshape(points**2, -1)


def _change_stroke(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Blend each picture with its 3x3 dilation (thicker) or erosion (thinner)."""
    share = _uniform((images.shape[0], 1, 1, 1), images, generator) * amount
    thicker = functional.max_pool2d(images, 3, stride=1, padding=1)
    thinner = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    return images + share.clamp(min=0) * (thicker - images) + share.clamp(max=0) * (images - thinner)
