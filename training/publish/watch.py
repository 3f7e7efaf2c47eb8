"""Learns from a feedback folder whenever enough new corrections are there, without being in anybody's way."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from service.errors import ServiceError
from training.data.feedback import read_feedback
from training.errors import TrainingError
from training.network.checkpoint import write_json
from training.publish.finetune import Finetuning, finetune

logger = logging.getLogger(__name__)

ENOUGH: Final = 20
EVERY_S: Final = 60.0
NICENESS: Final = 10  # of 19: whoever serves comes first
LEARNT: Final = "learnt.json"  # in the run's folder: the corrections that were tried
DIARY: Final = "watch.jsonl"  # and what came of it, one line for each time


def watch(
    job: Finetuning,
    *,
    enough: int = ENOUGH,
    every_s: float = EVERY_S,
    wait: Callable[[float], object] = time.sleep,
    rounds: int | None = None,
) -> None:
    """Look every so many seconds; learn when so many corrections are there that no attempt had.

    What was tried is not tried again, published or not, until there are enough others.

    Args:
        job: whose pictures are a feedback folder.
        enough: new corrections.
        every_s: seconds between two looks.
        wait: waits so long.
        rounds: looks, after which it ends; None for no end.
    """
    os.nice(NICENESS)
    done = 0
    while rounds is None or done < rounds:
        if done:
            wait(every_s)
        done += 1
        new = _new(job)
        if len(new) >= enough:
            _learn(job, new)


def _new(job: Finetuning) -> frozenset[str]:
    try:
        found = read_feedback(job.pictures, only_accepted=job.only_accepted)
    except TrainingError as error:  # not there yet
        logger.info("%s", error)
        return frozenset()
    return found.ids - _learnt(job.run / LEARNT)


def _learn(job: Finetuning, new: frozenset[str]) -> None:
    """Try once, and write down what came of it."""
    started = datetime.now(UTC)
    try:
        outcome = {"published": finetune(replace(job, is_feedback=True)).name}
    except (TrainingError, ServiceError) as error:
        outcome = {"refused": str(error)}
    job.run.mkdir(parents=True, exist_ok=True)
    write_json(job.run / LEARNT, {"corrections": sorted(_learnt(job.run / LEARNT) | new)})
    seconds = round((datetime.now(UTC) - started).total_seconds(), 1)
    line = {"time": started.isoformat(timespec="seconds"), "new": len(new), "seconds": seconds, **outcome}
    with (job.run / DIARY).open("a", encoding="utf-8") as diary:
        diary.write(json.dumps(line) + "\n")
    logger.info("%s", line)


def _learnt(path: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8"))["corrections"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
