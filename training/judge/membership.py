"""Does the confidence reveal which pictures were trained on? One simple attack, and how well it works."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from service.model.session import DigitSession
from training.data.collection import NONE, read_collection
from training.data.mnist import load_mnist, split
from training.data.parts import Parts, divide
from training.errors import DataError

Scores = NDArray[np.float64]
BATCH: Final = 64
DECIMALS: Final = 6  # of the probabilities that /predict answers
FALSE_ALARMS: Final = 0.01


@dataclass(frozen=True)
class Attack:
    """How well "above a threshold: trained on" tells members from others; 0.5, 0 and 0.01 are chance.

    Attributes:
        auc: how often a member's confidence is above another picture's, ties counted as a half.
        advantage: share of members found less share of others taken for members, at the best threshold.
        found: share of members found where 1 % of the others are taken for members.
    """

    members: int
    others: int
    auc: float
    advantage: float
    found: float


def attack(members: Scores, others: Scores) -> Attack:
    """Run the attack on the confidences in the right label of members and of others, each [N].

    Sources: Yeom et al. 2018, "Privacy Risk in Machine Learning", for the threshold and its advantage; Carlini et al.
    2022, "Membership Inference Attacks From First Principles", for counting at few false alarms.
    """
    thresholds = np.unique(np.concatenate([members, others, [np.inf]]))
    ordered_members, ordered_others = np.sort(members), np.sort(others)
    hits = 1 - np.searchsorted(ordered_members, thresholds, side="left") / len(members)
    alarms = 1 - np.searchsorted(ordered_others, thresholds, side="left") / len(others)
    below = np.searchsorted(ordered_others, members, side="left")
    equal = np.searchsorted(ordered_others, members, side="right") - below
    return Attack(
        members=len(members),
        others=len(others),
        auc=float((below + 0.5 * equal).mean() / len(others)),
        advantage=float((hits - alarms).max()),
        found=float(hits[alarms <= FALSE_ALARMS].max()),
    )


def attack_mnist(session: DigitSession, data: Path, pictures: int = 5_000) -> dict[str, Attack]:
    """Attack a model by MNIST: pictures that it was trained on, against those that were held out of its training."""
    training, validation = split(load_mnist(data, train=True), pictures)
    return _both_ways(
        session,
        (training.images[:pictures].numpy(), training.labels[:pictures].numpy()),
        (validation.images.numpy(), validation.labels.numpy()),
    )


def attack_folder(session: DigitSession, pictures: Path, seed: int) -> dict[str, Attack]:
    """Attack a fine-tuned model by the folder that it was fine-tuned on, divided as then, with the same seed."""
    parts = divide(read_collection(pictures), seed)
    labels = session.artifact.manifest.labels
    unknown = {example.label for example in parts.train} - {*labels, NONE}
    if unknown:
        raise DataError(
            f"the model has no labels {sorted(unknown)}, only {list(labels)}; name the model that was fine-tuned."
        )
    return attack_parts(session, parts) or {}


def attack_parts(session: DigitSession, parts: Parts) -> dict[str, Attack] | None:
    """Attack a model: pictures that it was trained on against held-out ones; None if one of the sets has no digit."""
    labels = session.artifact.manifest.labels
    sides = []
    for part in (parts.train, parts.held_back):
        digits = [one for one in part if one.label in labels]
        if not digits:
            return None
        sides.append((np.stack([one.image for one in digits]), np.array([labels.index(one.label) for one in digits])))
    return _both_ways(session, sides[0], sides[1])


def _both_ways(
    session: DigitSession,
    members: tuple[NDArray[np.uint8], NDArray[np.int64]],
    others: tuple[NDArray[np.uint8], NDArray[np.int64]],
) -> dict[str, Attack]:
    """Attack the network's own outputs, as tensors get them, with the temperature taken out again and with it."""
    temperature = session.artifact.manifest.temperature
    return {
        name: attack(*(_confidences(session, *side, factor) for side in (members, others)))
        for name, factor in (("before calibration", temperature), ("calibrated", 1.0))
    }


def _confidences(
    session: DigitSession, images_u8: NDArray[np.uint8], labels: NDArray[np.int64], factor: float
) -> Scores:
    """Return the probability of each picture's right label, as an answer shows it."""
    parts = [session.run(images_u8[at : at + BATCH]).logits for at in range(0, len(images_u8), BATCH)]
    logits = np.concatenate(parts).astype(np.float64) * factor
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Scores = (powers / powers.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
    return shares.round(DECIMALS)
