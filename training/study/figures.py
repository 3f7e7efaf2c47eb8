"""Every number and figure of docs/convolution.md: `python -m training.study.figures` makes them anew."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from service.model.artifact import Artifact, load_artifact
from service.model.explainer import Explainer
from service.model.explanation import Explanation
from service.preprocess import preprocess
from training.network import reference
from training.network.reference import Array
from training.study import diagrams
from training.study.arithmetic import costs, output_size, sides_that_fit
from training.study.diagrams import correlate, number

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs" / "convolution.md"
IMAGES: Final = ROOT / "docs" / "images"

# The article's worked example, and one whose kernel is not symmetric, so that flipping it shows.
IMAGE: Array = np.arange(1.0, 10.0).reshape(3, 3)
ONES: Array = np.ones((2, 2))
SLANT: Array = np.array([[1.0, 0.0], [0.0, -1.0]])
PRINTED: Array = np.array([[12.0, 13.0], [20.0, 21.0]])  # what the article prints
POOLED: Array = np.array([[1.0, 3.0, 2.0, 0.0], [5.0, 7.0, 4.0, 2.0], [0.0, 2.0, 8.0, 6.0], [4.0, 6.0, 1.0, 9.0]])

THREE: Final = [
    (90, 80),
    (120, 55),
    (165, 60),
    (180, 95),
    (160, 125),
    (130, 135),
    (165, 145),
    (190, 175),
    (180, 215),
    (140, 235),
    (95, 220),
]


def three() -> bytes:
    """Draw a 3 as a person would on the page: a black polyline on 280 × 280 white pixels, as PNG."""
    picture = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(picture).line(THREE, fill=0, width=20, joint="curve")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def explain_three(artifact: Artifact) -> Explanation:
    """Look inside the shipped model at the drawn 3."""
    return Explainer(artifact).explain(preprocess(three()).image)


def facts() -> list[str]:
    """Return each phrase of the text that states a number, worked out here; the text holds them word for word."""
    layers = costs()
    by_name = {cost.layer.name: cost for cost in layers}
    parameters = sum(cost.parameters for cost in layers)
    work = sum(cost.multiply_adds for cost in layers)
    conv1, pool2 = by_name["conv1"], by_name["pool2"]
    output = correlate(IMAGE, ONES)
    dense = (28 * 28 + 1) * conv1.values
    sides = sides_that_fit(pool2.values)
    steepest = reference.sigmoid(np.zeros(1))[0] * (1 - reference.sigmoid(np.zeros(1))[0])
    grown = output_size(32, 3)
    channels, height, width = pool2.shape
    share = {cost.layer.name: (cost.parameters / parameters, cost.multiply_adds / work) for cost in layers}
    convolutions = [sum(share[name][i] for name in ("conv1", "conv2")) for i in range(2)]
    flipped = SLANT[::-1, ::-1]
    pooled = output_size(grown, 2, 2)
    places = height * width
    times = round(dense / conv1.parameters)
    return [
        f"max-pooling gives {output.max():g} and average-pooling {output.mean():g}",
        f"the largest of the printed numbers is {PRINTED.max():g} and their mean {PRINTED.mean():g}",
        f"cross-correlation gives {number(correlate(IMAGE, SLANT)[0, 0])} everywhere",
        f"convolution {number(correlate(IMAGE, flipped)[0, 0])}",
        f"a 32 × 32 input and a 3 × 3 kernel give {grown} × {grown}, and {pooled} × {pooled} after pooling",
        f"{channels} × {height} × {width} = {pool2.values}",
        f"for sides of {', '.join(map(str, sides[:-1]))} and {sides[-1]} pixels, and for no other",
        f"{parameters:,} parameters and {work:,} multiply-adds",
        f"`fc1` holds {share['fc1'][0]:.1%} of the parameters and does {share['fc1'][1]:.1%} of the work",
        f"the two convolutions hold {convolutions[0]:.1%} and do {convolutions[1]:.1%}",
        f"from the {28 * 28} pixels to the same {conv1.values:,} outputs",
        f"{dense:,} parameters instead of {conv1.parameters}, {times:,} times as many",
        f"{conv1.shape[1] * conv1.shape[2]} rows of {conv1.layer.size**2} numbers",
        f"each of its {places} places sees {pool2.field} × {pool2.field} of the 28 × 28 pixels",
        f"never steeper than {steepest:g}, so four of them in a row leave at most {steepest**4:.4f} of a gradient",
    ]


def blocks(artifact: Artifact) -> dict[str, str]:
    """Return the tables of the document by name, as Markdown."""
    return {
        "worked-example": _worked_example(),
        "sizes": _sizes(),
        "network": _network(),
        "activations": activations(),
        "answer": _answer(artifact),
    }


def images(artifact: Artifact) -> dict[str, bytes]:
    """Return the document's figures by file name."""
    return {
        "worked-example.svg": diagrams.worked_example(IMAGE, ONES).encode(),
        "two-operations.svg": diagrams.two_operations(IMAGE, SLANT).encode(),
        "pooling.svg": diagrams.pooling(POOLED).encode(),
        "activations.svg": diagrams.activations().encode(),
        "layers.png": diagrams.layers_png(explain_three(artifact), artifact.manifest.sha256),
    }


def fill(text: str, tables: dict[str, str]) -> str:
    """Put each table between its pair of marks `<!-- table: NAME -->` and `<!-- end -->`."""
    for name, table in tables.items():
        before, mark, rest = text.partition(f"<!-- table: {name} -->\n")
        text = before + mark + table + "\n" + rest[rest.index("<!-- end -->") :]
    return text


def main() -> None:
    """Write the figures, and the tables into the document."""
    artifact = load_artifact(ROOT / "models" / "digits")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, content in images(artifact).items():
        (IMAGES / name).write_bytes(content)
    DOCUMENT.write_text(fill(DOCUMENT.read_text(encoding="utf-8"), blocks(artifact)), encoding="utf-8")


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, "|" + " --- |" * (head.count("|") - 1), *rows])


def _worked_example() -> str:
    output = correlate(IMAGE, ONES)
    rows = []
    for (row, column), total in np.ndenumerate(output):
        window = " + ".join(f"{value:g}" for value in IMAGE[row : row + 2, column : column + 2].flat)
        rows.append(f"| ({row}, {column}) | {window} | {total:g} | {PRINTED[row, column]:g} |")
    return _table("| place | window × ones | right | printed |", rows)


def _sizes() -> str:
    cases = [(28, 5, 1, 0, "conv1"), (24, 2, 2, 0, "pool1"), (12, 5, 1, 0, "conv2"), (8, 2, 2, 0, "pool2")]
    cases += [(28, 5, 1, 2, "padding that keeps the size"), (28, 3, 2, 1, "stride instead of pooling")]
    rows = [f"| {n} | {k} | {s} | {p} | {output_size(n, k, s, p)} | {what} |" for n, k, s, p, what in cases]
    return _table("| n | k | s | p | output | |", rows)


def _network() -> str:
    layers = costs()
    rows = [
        f"| {cost.layer.name} | {' × '.join(map(str, cost.shape))} | {cost.parameters:,} | {cost.multiply_adds:,} | "
        f"{cost.field} × {cost.field} |"
        for cost in layers
    ]
    total = [sum(cost.parameters for cost in layers), sum(cost.multiply_adds for cost in layers)]
    rows.append(f"| **all** | | **{total[0]:,}** | **{total[1]:,}** | |")
    return _table("| layer | output | parameters | multiply-adds | sees |", rows)


def activations() -> str:
    """Return the table of ReLU, sigmoid and tanh with their slopes, to four places."""
    rows = []
    for x in (-4.0, -1.0, 0.0, 1.0, 4.0):
        relu, sigmoid, tanh = (f(np.array([x])).item() for f in (reference.relu, reference.sigmoid, reference.tanh))
        cells = (relu, float(x > 0), sigmoid, sigmoid * (1 - sigmoid), tanh, 1 - tanh**2)
        rows.append(f"| {number(x)} | {' | '.join(number(round(cell, 4)) for cell in cells)} |")
    return _table("| x | ReLU | slope | sigmoid | slope | tanh | slope |", rows)


def _answer(artifact: Artifact) -> str:
    probabilities = explain_three(artifact).probabilities
    head = "| " + " | ".join(artifact.manifest.labels) + " |"
    return _table(head, ["| " + " | ".join(f"{p:.1%}" for p in probabilities) + " |"])


if __name__ == "__main__":
    main()
