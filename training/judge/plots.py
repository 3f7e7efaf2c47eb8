"""Plots: learning curve, confusion matrix, reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from training.judge.measure import CALIBRATION_BINS, Metrics

RELIABILITY: Final = "reliability.png"
INK: Final = "#1f5fa8"
SECOND: Final = "#d1661a"


def learning_curve(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draw training loss and the accuracies over the epochs into a PNG."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    epochs = [entry["epoch"] for entry in history]
    loss_axes.plot(epochs, [entry["loss"] for entry in history], color=INK)
    loss_axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    for key, name, colour in (("accuracy", "training", INK), ("validation_accuracy", "validation", SECOND)):
        points = [(entry["epoch"], 100 * (1 - entry[key])) for entry in history if key in entry]
        if points:
            accuracy_axes.plot(*zip(*points, strict=True), label=name, color=colour)
    accuracy_axes.set(xlabel="epoch", ylabel="errors, %", yscale="log")
    accuracy_axes.legend()
    _save(figure, path)


def confusion_matrix(metrics: Metrics, path: Path) -> None:
    """Draw the confusion matrix into a PNG; the diagonal is left white, so that the mistakes are visible."""
    figure = Figure(figsize=(5, 4.6), layout="constrained")
    axes = figure.subplots()
    mistakes = [
        [0 if row == column else n for column, n in enumerate(line)] for row, line in enumerate(metrics.confusion)
    ]
    axes.imshow(mistakes, cmap="Oranges")
    for row, line in enumerate(metrics.confusion):
        for column, count in enumerate(line):
            if count:
                axes.text(column, row, str(count), ha="center", va="center", fontsize=8)
    digits = range(len(mistakes))
    axes.set(xlabel="answer", ylabel="digit", xticks=digits, yticks=digits)
    axes.set_title(f"{100 * metrics.accuracy:.2f} % of {metrics.pictures} right")
    _save(figure, path)


def reliability_diagram(metrics: Metrics, path: Path) -> None:
    """Draw confidence against accuracy into a PNG; a calibrated network lies on the diagonal."""
    figure = Figure(figsize=(4.6, 4.6), layout="constrained")
    axes = figure.subplots()
    filled = [each for each in metrics.reliability if each.count]
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.scatter(
        [each.confidence for each in filled],
        [each.accuracy for each in filled],
        s=[12 + 300 * each.count / metrics.pictures for each in filled],
        color=INK,
    )
    axes.set(xlabel=f"confidence, {CALIBRATION_BINS} bins", ylabel="share right", xlim=(0, 1.03), ylim=(0, 1.03))
    axes.set_title(f"expected calibration error {100 * metrics.ece:.2f} %")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    options: dict[str, Any] = {"dpi": 110, "metadata": {"Software": None}}  # no version in the file: same bytes again
    figure.savefig(path, **options)
