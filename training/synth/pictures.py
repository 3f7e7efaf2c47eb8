"""Synthetic pictures: MNIST digits drawn, photographed and scanned as people do, and things that are no digit."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import DataError
from training.synth import boards, lossy, others
from training.synth.drawing import Digit, Drawing
from training.synth.paper import Sheet
from training.synth.scenes import Rng, canvas, cropped, form, photo, printed, tight

Scene = Sheet | NDArray[np.uint8]


@dataclass(frozen=True)
class Kind:
    """One kind of picture: how its scene is made, which files it comes in, and whether its colours tell something."""

    scene: Callable[[Drawing, Rng], Scene]
    files: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
    colour: bool = False


def _unchanged(drawing: Drawing, _: Rng) -> Scene:
    return _digit(drawing).pixels


def _printed(drawing: Drawing, rng: Rng) -> Scene:
    return printed(_digit(drawing).label, rng)


def _digit(drawing: Drawing) -> Digit:
    if not isinstance(drawing, Digit):
        raise DataError(f"a {type(drawing).__name__} has no MNIST pixels; this kind takes a Digit.")
    return drawing


_PHOTO: Final = ("JPEG",)
_CANVAS: Final = ("PNG", "PNG", "JPEG", "WEBP", "GIF", "BMP")

DIGIT_KINDS: Final[dict[str, Kind]] = {
    "mnist": Kind(_unchanged, ("PNG",)),
    "photo": Kind(photo, _PHOTO),
    "photo_shadow": Kind(partial(photo, feature="shadow"), _PHOTO),
    "photo_hard_shadow": Kind(partial(photo, feature="hard shadow"), _PHOTO),
    "photo_pencil": Kind(partial(photo, strength=(0.25, 0.6), pen=(0.03, 0.07)), _PHOTO),
    "photo_lined": Kind(partial(photo, feature="lined"), _PHOTO),
    "photo_grid": Kind(partial(photo, feature="grid"), _PHOTO),
    "photo_rings": Kind(partial(photo, feature="rings"), _PHOTO),
    "photo_table": Kind(partial(photo, feature="table", share=(0.25, 0.55)), _PHOTO),
    "photo_small": Kind(partial(photo, share=(0.08, 0.2), pen=(0.06, 0.15)), _PHOTO),
    "photo_rotated": Kind(photo, ("EXIF",)),
    "canvas": Kind(canvas, _CANVAS),
    "canvas_mouse": Kind(partial(canvas, side=(280, 640), pen=(0.001, 0.012)), _CANVAS),
    "canvas_thumb": Kind(partial(canvas, pen=(0.17, 0.27)), _CANVAS),
    "canvas_small": Kind(partial(canvas, side=(200, 640), share=(0.06, 0.2), pen=(0.06, 0.14)), _CANVAS),
    "canvas_corner": Kind(partial(canvas, side=(150, 500), share=(0.2, 0.45), where="corner"), _CANVAS),
    "canvas_edge": Kind(partial(canvas, where="edge", share=(0.5, 0.95)), _CANVAS),
    "canvas_28": Kind(partial(canvas, side=(28, 29), share=(0.55, 0.9), pen=(0.05, 0.16)), ("PNG",)),
    "canvas_tight": Kind(cropped, _CANVAS),
    "canvas_alpha": Kind(canvas, ("RGBA",)),
    "canvas_palette": Kind(canvas, ("P",)),
    "canvas_16_bit": Kind(canvas, ("I;16",)),
    "scan_cmyk": Kind(form, ("CMYK",)),
    "form": Kind(form, ("PNG", "JPEG", "TIFF")),
    "form_comb": Kind(partial(form, comb=True), ("PNG", "JPEG", "TIFF")),
    "usps": Kind(partial(tight, stretch=False, binary=False), ("PNG",)),
    "semeion": Kind(partial(tight, stretch=True, binary=True), ("PNG",)),
    "thin": Kind(lossy.thin, ("PNG",)),
    "reduced": Kind(lossy.reduced, ("PNG",)),
    "soft_marker": Kind(lossy.soft_marker, _PHOTO),
    "out_of_focus": Kind(lossy.out_of_focus, _PHOTO),
    "chalk": Kind(boards.chalk, _PHOTO, colour=True),
    "marker": Kind(boards.marker, _PHOTO, colour=True),
    "faint": Kind(boards.faint, _PHOTO),
    "printed": Kind(_printed, _CANVAS),
}
OTHER_KINDS: Final[dict[str, Kind]] = {
    "blank": Kind(lambda _, rng: others.empty(rng, kind="plain")),
    "lined": Kind(lambda _, rng: others.empty(rng, kind="lined")),
    "grid": Kind(lambda _, rng: others.empty(rng, kind="grid")),
    "noise": Kind(lambda _, rng: others.noise(rng)),
    "letters": Kind(lambda _, rng: others.letters(rng)),
    "face": Kind(lambda _, rng: others.face(rng)),
    "logo": Kind(lambda _, rng: others.logo(rng)),
    "doodle": Kind(lambda _, rng: others.doodle(rng)),
    "several": Kind(lambda digit, rng: others.several([digit] * int(rng.integers(2, 5)), rng)),
}


def synthesise(kind: str, digit_u8: NDArray[np.uint8], label: int, rng: Rng) -> bytes:
    """Make one picture file of a kind, from a digit, uint8 [28, 28], 255 ink; the other kinds only use its shape.

    Raises:
        DataError: there is no such kind.
    """
    chosen = _kind(kind)
    scene = chosen.scene(Digit(digit_u8, label, rng), rng)
    file = chosen.files[rng.integers(len(chosen.files))]
    pixels = scene.render(rng, colour=file != "I;16") if isinstance(scene, Sheet) else scene
    return _encode(Image.fromarray(pixels), file, rng)


def synthesise_grey(kind: str, digit_u8: NDArray[np.uint8], label: int, rng: Rng) -> NDArray[np.uint8]:
    """Make the decoded picture of a kind for `service.preprocess.prepare`, with JPEG's marks; see `render`.

    Raises:
        DataError: there is no such kind.
    """
    return render(kind, Digit(digit_u8, label, rng), rng)


def render(kind: str, drawing: Drawing, rng: Rng) -> NDArray[np.uint8]:
    """Make the decoded picture of a kind of anything that can be written on a sheet.

    It is grey, uint8 [H, W], which is quicker, but for kinds whose colours tell something: those are [H, W, 3].

    Raises:
        DataError: there is no such kind, or it is one that only MNIST's digits have.
    """
    chosen = _kind(kind)
    scene = chosen.scene(drawing, rng)
    pixels = scene.render(rng, colour=chosen.colour) if isinstance(scene, Sheet) else scene
    if chosen.files[rng.integers(len(chosen.files))] not in ("JPEG", "EXIF"):
        return pixels
    with Image.open(io.BytesIO(_encode(Image.fromarray(pixels), "JPEG", rng))) as picture:
        return np.asarray(picture)


def _kind(name: str) -> Kind:
    kind = DIGIT_KINDS.get(name) or OTHER_KINDS.get(name)
    if kind is None:
        raise DataError(f"There is no kind of picture named {name!r}; choose from {[*DIGIT_KINDS, *OTHER_KINDS]}.")
    return kind


def _encode(picture: Image.Image, file: str, rng: Rng) -> bytes:
    """Write a picture as a file format, or as one of the odd modes that files come in."""
    buffer = io.BytesIO()
    quality = int(rng.integers(45, 96))
    if file == "EXIF":  # the phone was held upright, the sensor lies: orientation 6 turns it back
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=quality, exif=exif)
    elif file == "CMYK":
        picture.convert("RGB").convert("CMYK").save(buffer, "JPEG", quality=quality)
    elif file == "RGBA":
        _transparent(picture).save(buffer, "PNG")
    elif file == "P":
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=int(rng.integers(2, 33))).save(buffer, "PNG")
    elif file == "I;16":
        Image.fromarray(np.asarray(picture).astype(np.uint16) * 257).save(buffer, "PNG")
    elif file in ("JPEG", "WEBP"):
        picture.save(buffer, file, quality=quality)
    else:
        picture.save(buffer, file)
    return buffer.getvalue()


def _transparent(picture: Image.Image) -> Image.Image:
    """Turn the ground, the colour of the first pixel, into nothing."""
    rgb = np.asarray(picture.convert("RGB")).astype(np.int16)
    away = np.abs(rgb - rgb[0, 0]).max(-1)
    alpha = np.clip(away * (255 / max(1, int(away.max()))), 0, 255)
    strongest = rgb.reshape(-1, 3)[int(away.argmax())]
    solid = np.broadcast_to(strongest, rgb.shape)
    return Image.fromarray(np.concatenate([solid, alpha[..., None]], -1).astype(np.uint8))
