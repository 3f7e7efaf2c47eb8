"""Smaller variants of the shipped model, each held to an accuracy gate and measured, in one table with a verdict."""

from __future__ import annotations

import gzip
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.model.artifact import Artifact, load_artifact
from service.model.session import DigitSession
from training.data.collection import read_collection
from training.data.mnist import Digits, load_mnist
from training.judge.gate import Comparison, compare
from training.learn.recipes import RECIPES
from training.learn.runner import learnt_and_held_out, pool_of
from training.publish.export import to_onnx
from training.publish.parity import network_in
from training.study.cost import Cost, cost_of
from training.study.distil import Distillation, narrow, prune
from training.study.quantise import CALIBRATION, quantise
from training.synth.pool import NO_DIGIT, TEST_PLAN

logger = logging.getLogger(__name__)

# Percentage points that a variant may lose, on MNIST and on drawn pictures.
BOUND: Final = 0.1
MADE_UP, NO_PICTURE = "made up", "no digit"
# The same for synthetic photos, drawings and forms, and for pictures to reject: there are fewer of them.
BOUNDS: Final = {MADE_UP: 0.5, NO_PICTURE: 1.0}
# A variant pays where it passes and takes at most this share of the shipped model's CPU time.
PAYS: Final = 0.9


@dataclass(frozen=True)
class Material:
    """What variants are made from and judged on."""

    shipped: Artifact
    training: Digits
    judged: dict[str, tuple[NDArray[np.uint8], list[str | None]]]  # name to uint8 [N, 28, 28] and labels


@dataclass(frozen=True)
class Measured:
    """One variant: what it costs, how small it travels, and how it answers beside the shipped model."""

    name: str
    cost: Cost
    gzipped: int
    found: dict[str, Comparison]

    @property
    def passes(self) -> bool:
        """Whether it loses no more than the bound anywhere."""
        return all(each.points >= -BOUNDS.get(of, BOUND) for of, each in self.found.items())


def gather(model: Path, data: Path, pictures: Sequence[Path], folder: Path) -> Material:
    """Load the shipped model, folders of drawn pictures, MNIST, and what was made from it (kept beside `folder`)."""
    shipped, test = load_artifact(model), load_mnist(data, train=False)
    judged: dict[str, tuple[NDArray[np.uint8], list[str | None]]] = {
        "MNIST test": (test.images.numpy(), [str(label) for label in test.labels.tolist()])
    }
    examples = [example for each in pictures for example in read_collection(each).examples]
    if examples:
        judged["drawn"] = (np.stack([one.image for one in examples]), [one.label for one in examples])
    made = pool_of(test, TEST_PLAN, folder)
    shows, judged_by_net = made.labels != NO_DIGIT, ~made.rejected  # the ink decides the others, whatever the network
    for name, chosen in ((MADE_UP, shows & judged_by_net), (NO_PICTURE, ~shows & judged_by_net)):
        labels = [None if label == NO_DIGIT else str(label) for label in made.labels[chosen].tolist()]
        judged[name] = (made.images[chosen], labels)
    training, _ = learnt_and_held_out(replace(RECIPES["best"], hands=None), folder, data)
    return Material(shipped, training, judged)


def make(name: str, material: Material, how: Distillation) -> bytes:
    """Make one of VARIANTS and return its ONNX file."""
    return VARIANTS[name](material, how)


def measure_variant(name: str, model: bytes, material: Material) -> Measured:
    """Measure a variant against the shipped model."""
    artifact = with_model(material.shipped, model)
    before, after = (DigitSession(each, "cpu") for each in (material.shipped, artifact))
    found = {of: compare(before, after, images, labels) for of, (images, labels) in material.judged.items()}
    return Measured(name, cost_of(artifact), len(gzip.compress(model, mtime=0)), found)


def with_model(like: Artifact, model: bytes) -> Artifact:
    """Return an artefact with another graph of the same signature."""
    manifest = like.manifest.model_copy(update={"sha256": hashlib.sha256(model).hexdigest()})
    return replace(like, model_bytes=model, manifest=manifest)


def table(rows: Sequence[Measured]) -> str:
    """Return the measurements as a Markdown table; the first row is the shipped model, to which others compare."""
    shipped = rows[0].cost
    names = list(rows[0].found)
    lines = [
        f"| variant | bytes | gzipped | {' | '.join(names)} | alone, µs | of 64, µs | CPU s per million | verdict |",
        f"|---|---|---|{'---|' * len(names)}---|---|---|---|",
    ]
    for row in rows:
        right = " | ".join(
            f"{100 * each.right_after / each.pictures:.2f} % ({each.points:+.2f})" for each in row.found.values()
        )
        cost = row.cost
        lines.append(
            f"| {row.name} | {cost.size:,} | {row.gzipped:,} | {right} | {cost.single_us:.0f} | {cost.batch_us:.1f} "
            f"| {cost.cpu_s:.1f} | {verdict(row, shipped)} |"
        )
    return "\n".join(lines)


def verdict(row: Measured, shipped: Cost) -> str:
    """Say in a few words whether a variant is worth shipping."""
    share = row.cost.cpu_s / shipped.cpu_s
    if row.cost is shipped:
        return "what ships"
    if not row.passes:
        return f"fails the gate; {share:.2f}× the CPU time"
    return f"{'pays' if share <= PAYS else 'does not pay'}: {share:.2f}× the CPU time"


def _int8(material: Material, _: Distillation) -> bytes:
    return quantise(material.shipped.model_bytes, material.training.images[:CALIBRATION].numpy())


def _pruned(share: float) -> Callable[[Material, Distillation], bytes]:
    def make_pruned(material: Material, how: Distillation) -> bytes:
        gentle = replace(how, epochs=max(1, how.epochs // 2), learning_rate=how.learning_rate / 4)
        net = prune(network_in(material.shipped), material.training, gentle, share)
        return to_onnx(net, material.shipped.manifest.temperature)

    return make_pruned


def _narrow(material: Material, how: Distillation) -> bytes:
    net = narrow(network_in(material.shipped), material.training, how)
    return to_onnx(net, material.shipped.manifest.temperature)


VARIANTS: dict[str, Callable[[Material, Distillation], bytes]] = {
    "int8": _int8,
    "pruned-50": _pruned(0.5),
    "pruned-80": _pruned(0.8),
    "narrow": _narrow,
}
