"""What benchmarks/gpu.py measured, as lines of tables."""

from __future__ import annotations

from typing import Any


def start_table(found: dict[str, dict[str, float]]) -> list[list[str]]:
    """Providers down: seconds until each may serve."""
    rows = [[name, *(f"{seconds:.2f}" for seconds in row.values())] for name, row in found.items()]
    return [["provider", "open the session", "first image", "warm up the other batches"], *rows]


def parity_table(found: dict[str, dict[str, float]]) -> list[list[str]]:
    """Ways down: how far their answers lie from the reference's."""
    head = ["", "images", "logits", "probabilities", "share of the tolerance", "other digits"]
    return [
        head,
        *(
            [
                title,
                f"{row['images']:,}",
                f"{row['logits']:.1e}",
                f"{row['probabilities']:.1e}",
                f"{row['of_tolerance']:.2f}",
                f"{row['other_digits']:.0f}",
            ]
            for title, row in found.items()
        ),
    ]


def latency_table(found: dict[int, dict[str, float]]) -> list[list[str]]:
    """Batch sizes down, ways across: microseconds of a call, and images in a second."""
    titles = list(next(iter(found.values())))
    rows = [
        [f"{count:,}", *(f"{row[title] * 1e6:,.0f} ({count / row[title]:,.0f})" for title in titles)]
        for count, row in found.items()
    ]
    return [["images", *titles], *rows]


def batcher_table(found: list[dict[str, Any]], providers: list[str]) -> list[list[str]]:
    """Crowds down, providers across: what the batcher passes on."""
    rows = [
        [
            f"{row['clients']:,}",
            f"{row['images']:,}",
            f"{row['max_batch']:,}",
            *(_served(row[name]) for name in providers),
        ]
        for row in found
    ]
    return [["clients", "images a request", "max_batch", *providers], *rows]


def training_table(found: dict[str, dict[str, dict[str, Any]]]) -> list[list[str]]:
    """Recipes and devices down: what a step takes."""
    head = ["recipe", "device", "format", "a step, ms", "pictures in a second", "60,000 pictures, s", "mean loss"]
    return [
        head,
        *(
            [
                recipe,
                device,
                row["format"],
                f"{row['step_s'] * 1e3:.1f}",
                f"{row['per_s']:,.0f}",
                f"{row['epoch_s']:.1f}",
                f"{row['loss']:.4f}",
            ]
            for recipe, devices in found.items()
            for device, row in devices.items()
        ),
    ]


def _served(row: dict[str, float]) -> str:
    return (
        f"{row['per_s']:,.0f}/s, p50 {row['p50_ms']:.2f}, p99 {row['p99_ms']:.2f} ms, {row['images_a_run']:.0f} a run"
    )
