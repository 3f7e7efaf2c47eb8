"""The drawings of docs/convolution.md: SVG from the reference's own results, and the look inside as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from service.model.explanation import Explanation
from training.network import reference
from training.network.reference import Array

CELL: Final = 44
TINTS: Final = ("a", "b", "c", "d")
TILE: Final = 72
LABEL: Final = 130
BLUE: Final = np.array([41, 82, 204])
ORANGE: Final = np.array([212, 89, 12])

STYLE: Final = """
text { font: 15px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #18181b; text-anchor: middle; }
.note { font-size: 13px; fill: #62626d; } .left { text-anchor: start; } .sign { font-size: 22px; fill: #62626d; }
rect { fill: #fff; stroke: #b9b9c3; } path { fill: none; stroke-width: 2.5; }
.axis { stroke: #b9b9c3; stroke-width: 1; }
.a { fill: #ccd8ff; } .b { fill: #ffe0c7; } .c { fill: #d3efd6; } .d { fill: #f0d7f2; }
.relu { stroke: #2952cc; } .sigmoid { stroke: #d4590c; } .tanh { stroke: #2f8f46; }
@media (prefers-color-scheme: dark) {
  text { fill: #ededf0; } .note, .sign { fill: #a5a5b0; } rect { fill: #19191c; stroke: #55555e; }
  .axis { stroke: #55555e; }
  .a { fill: #2b3f86; } .b { fill: #74421b; } .c { fill: #24552e; } .d { fill: #5a2f5e; }
  .relu { stroke: #86a5ff; } .sigmoid { stroke: #ff9a57; } .tanh { stroke: #6fce86; }
}
"""


class Drawing:
    """An SVG that grows element by element; the colours follow the reader's light or dark theme."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        """Write words around (x, y), or from there on if `kind` has "left"."""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" class="{kind}">{words}</text>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through points."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<path d="M{steps}" class="{kind}"/>')

    def grid(
        self, x: float, y: float, values: Array, tint: Callable[[int, int], str] = lambda _row, _column: ""
    ) -> None:
        """Draw a matrix with its numbers, each cell in the tint that the function gives it."""
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                left, top = x + column * CELL, y + row * CELL
                self._parts.append(
                    f'<rect x="{left:g}" y="{top:g}" width="{CELL}" height="{CELL}" class="{tint(row, column)}"/>'
                )
                self.text(left + CELL / 2, top + CELL / 2 + 5, number(value))

    def svg(self) -> str:
        """Return the whole file."""
        width, height = self._size
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img">\n<title>{self._title}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n'
        )


def number(value: float) -> str:
    """Write a number as short as it is, with a real minus sign."""
    return f"{value:g}".replace("-", "−")


def worked_example(image: Array, kernel: Array) -> str:
    """Draw image × kernel = output, and both poolings of the output."""
    output = correlate(image, kernel)
    drawing = Drawing(
        640, 218, "The worked example: a 3 by 3 input, a 2 by 2 kernel of ones, the output and its pooling"
    )
    drawing.grid(10, 40, image, lambda row, column: "a" if row < len(kernel) and column < len(kernel) else "")
    drawing.text(76, 26, "input", "note")
    drawing.text(170, 112, "∗", "sign")
    drawing.grid(198, 62, kernel, lambda _row, _column: "b")
    drawing.text(242, 48, "kernel", "note")
    drawing.text(314, 112, "=", "sign")
    drawing.grid(342, 62, output, lambda row, column: "a" if row == column == 0 else "")
    drawing.text(386, 48, "output", "note")
    drawing.text(458, 112, "→", "sign")
    drawing.text(490, 92, f"largest: {number(output.max())}", "left")
    drawing.text(490, 124, f"mean: {number(output.mean())}", "left")
    terms = " + ".join(number(value) for value in image[: len(kernel), : len(kernel)].flat)
    drawing.text(320, 200, f"first place: {terms} = {number(output[0, 0])}", "note")
    return drawing.svg()


def two_operations(image: Array, kernel: Array) -> str:
    """Draw the same kernel as cross-correlation and as convolution, which flips it."""
    drawing = Drawing(640, 360, "Cross-correlation slides the kernel as it is, convolution flips it both ways first")
    rows = (
        (20.0, "cross-correlation", kernel, correlate(image, kernel)),
        (196.0, "convolution", kernel[::-1, ::-1], correlate(image, kernel[::-1, ::-1])),
    )
    for top, name, used, output in rows:
        drawing.grid(10, top, image)
        drawing.text(170, top + 72, "∗", "sign")
        drawing.grid(198, top + 22, used, lambda row, column, used=used: "b" if used[row, column] > 0 else "")  # type: ignore[misc]
        drawing.text(314, top + 72, "=", "sign")
        drawing.grid(342, top + 22, output, lambda _row, _column: "a")
        drawing.text(458, top + 72, name, "left")
    return drawing.svg()


def pooling(image: Array) -> str:
    """Draw the blocks of 2 × 2, their maxima and their means."""
    drawing = Drawing(640, 224, "Max-pooling and average-pooling of a 4 by 4 input with windows of 2 by 2")

    def block(row: int, column: int) -> str:
        return TINTS[row // 2 * 2 + column // 2]

    def place(row: int, column: int) -> str:
        return TINTS[row * 2 + column]

    drawing.grid(10, 36, image, block)
    drawing.text(98, 22, "input", "note")
    for x, name, result in (
        (290, "largest of each block", reference.max_pool(image[None, None], 2)[0, 0]),
        (480, "mean of each block", reference.average_pool(image[None, None], 2)[0, 0]),
    ):
        drawing.grid(x, 80, result, place)
        drawing.text(x + CELL, 66, name, "note")
    drawing.text(238, 130, "→", "sign")
    return drawing.svg()


def activations() -> str:
    """Draw ReLU, sigmoid and tanh, and beside them their slopes."""
    drawing = Drawing(640, 250, "ReLU, sigmoid and tanh, and their slopes")
    xs = np.linspace(-4, 4, 161)
    curves = {
        "relu": (reference.relu(xs), (xs > 0).astype(np.float64)),
        "sigmoid": (reference.sigmoid(xs), reference.sigmoid(xs) * (1 - reference.sigmoid(xs))),
        "tanh": (reference.tanh(xs), 1 - reference.tanh(xs) ** 2),
    }
    for panel, (left, title, low, high) in enumerate(((20, "value", -1.2, 2.2), (340, "slope", -0.1, 1.2))):

        def spot(x: float, y: float, left: int = left, low: float = low, high: float = high) -> tuple[float, float]:
            return left + (x + 4) / 8 * 280, 30 + (high - y) / (high - low) * 180

        drawing.path([spot(-4, 0), spot(4, 0)], "axis")
        drawing.path([spot(0, low), spot(0, high)], "axis")
        drawing.text(left + 140, 18, title, "note")
        for name, curve in curves.items():
            drawing.path([spot(x, y) for x, y in zip(xs, curve[panel], strict=True) if y <= high], name)
    for x, name in ((200, "relu"), (310, "sigmoid"), (430, "tanh")):
        drawing.path([(x, 236), (x + 24, 236)], name)
        drawing.text(x + 32, 241, {"relu": "ReLU"}.get(name, name), "left")
    return drawing.svg()


def layers_png(explanation: Explanation, model_sha256: str) -> bytes:
    """Draw what each layer makes of one image; the PNG's text chunk `Model` has the model's SHA-256."""
    rows: list[tuple[str, list[Array]]] = [("input 28 x 28", [explanation.image / 255])]
    rows.append(("kernels 5 x 5", list(explanation.weights["conv1.weight"][:, 0])))
    for name, maps in explanation.maps.items():
        if maps.ndim > 1:
            label = f"{name} {maps.shape[1]} x {maps.shape[2]}"
            rows += [(label if start == 0 else "", list(maps[start : start + 10])) for start in range(0, len(maps), 10)]
    sheet = Image.new("RGB", (LABEL + 10 * TILE, len(rows) * TILE), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for row, (label, planes) in enumerate(rows):
        draw.text((LABEL - 14, row * TILE + TILE / 2), label, fill="#18181b", font=font, anchor="rm")
        peak = max(float(np.abs(plane).max()) for plane in planes) or 1.0
        for column, plane in enumerate(planes):
            tile = Image.fromarray(tinted(plane / peak)).resize((TILE - 8, TILE - 8), Image.Resampling.NEAREST)
            left, top = LABEL + column * TILE, row * TILE + 4
            sheet.paste(tile, (left, top))
            draw.rectangle((left - 1, top - 1, left + TILE - 8, top + TILE - 8), outline="#d5d5db")
    information = PngInfo()
    information.add_text("Model", model_sha256)
    buffer = io.BytesIO()
    sheet.quantize(256).save(buffer, "PNG", optimize=True, pnginfo=information)
    return buffer.getvalue()


def tinted(values: Array) -> NDArray[np.uint8]:
    """Colour values in -1…1, white at 0: blue above and orange below, as on the page."""
    hue = np.where(values[..., None] < 0, ORANGE, BLUE)
    share = np.abs(values)[..., None]
    colours: NDArray[np.uint8] = np.rint(255 + (hue - 255) * share).astype(np.uint8)
    return colours


def correlate(image: Array, kernel: Array) -> Array:
    """Cross-correlate one matrix with one kernel, without bias."""
    output: Array = reference.cross_correlate(image[None, None], kernel[None, None], np.zeros(1))[0, 0]
    return output
