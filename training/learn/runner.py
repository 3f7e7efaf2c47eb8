"""One run from start to finish: train with progress, calibrate on validation, measure once on the test set, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from service.model.artifact import DigitOdds, Manifest
from service.model.artifact import Thresholds as ServedThresholds
from training.data.hands import describe_hands, load_hands
from training.data.mnist import Digits, describe_data, load_mnist, split
from training.data.sources import TRAINING, VALIDATION
from training.errors import TrainingError
from training.judge import plots
from training.judge.calibration import balanced, fit_answer, fit_real_temperature
from training.judge.leaderboard import answer_all, calibration_error, leaderboard, to_json
from training.judge.measure import fit_temperature, logits_of, measure, runner_of, served_logits
from training.judge.plots import RELIABILITY
from training.judge.rejection import Thresholds, fit_thresholds, rejection_by_kind, right_by_kind
from training.judge.validation import load_validation
from training.learn.precision import number_format
from training.learn.recipes import Recipe
from training.learn.train import Run, be_deterministic, resume, save, start, train_epoch
from training.network.checkpoint import REPORT, read_report, write_json
from training.network.convnet import ConvNet
from training.synth.mixture import load_hands_pool
from training.synth.pool import NO_DIGIT, TEST_PLAN, VALIDATION_PLAN, Pool, PoolPlan, load_pool


def choose_device(name: str) -> torch.device:
    """Return the device: `auto` is CUDA where there is one.

    Raises:
        TrainingError: a named device is not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda was given, but PyTorch finds no CUDA device; use --device cpu or auto.")
    return torch.device(name)


def run_recipe(
    recipe: Recipe, *, seed: int, folder: Path, data: Path, device: torch.device, continue_run: bool
) -> dict[str, Any]:
    """Train a recipe into a run folder, and return the report that is also written there.

    Raises:
        DataError: MNIST is not available.
        CheckpointError: there is nothing to continue, or it is another run.
    """
    be_deterministic()
    training, validation = (part.to(device) for part in learnt_and_held_out(recipe, folder, data))
    run = resume(recipe, seed, folder, device) if continue_run else start(recipe, seed, device)
    while run.epoch < recipe.epochs:
        _one_epoch(run, recipe, training, validation, seed)
        save(run, recipe, seed, folder)
    numbers = number_format(device, bfloat16=recipe.bfloat16)
    report = {"recipe": asdict(recipe), "seed": seed, "number_format": numbers, "history": run.history}
    return judge(report, run.averaged.cpu(), recipe, folder, data)


def learnt_and_held_out(recipe: Recipe, folder: Path, data: Path) -> tuple[Digits, Digits]:
    """Load what a recipe trains on, with its synthetic pictures (kept beside `folder`), and its validation digits."""
    training, validation = split(load_mnist(data, train=True), recipe.validation_images)
    if recipe.pool is not None:
        training = _with_pool(training, pool_of(training, recipe.pool, folder))
    if recipe.hands is not None:
        hands = load_hands(data, TRAINING)
        training = _with_pool(training, load_hands_pool(hands, recipe.hands, folder.parent, torch.get_num_threads()))
    return training, validation


def validation_pool(folder: Path, data: Path) -> Pool:
    """Take the pictures of real handwriting to choose by, kept beside the run folders."""
    return load_validation(load_hands(data, VALIDATION), data, folder.parent, torch.get_num_threads())


def judge(report: dict[str, Any], net: ConvNet, recipe: Recipe, folder: Path, data: Path) -> dict[str, Any]:
    """Fit temperature and thresholds on validation pictures; then measure on the test set; write report and plots."""
    train_set, test = load_mnist(data, train=True), load_mnist(data, train=False)
    _, validation = split(train_set, recipe.validation_images)
    report |= {"data": describe_data(train_set), "temperature": 1.0, "thresholds": {}, "metrics": {}}
    real = validation_pool(folder, data) if recipe.hands is not None else None
    if real is not None:
        report["temperature"] = fit_real_temperature(logits_of(net, _digits_of(real)), real)
    elif len(validation):
        report["temperature"] = fit_temperature(logits_of(net, validation), validation.labels)
    served = partial(served_logits, net, temperature=report["temperature"])
    if len(validation):
        report["metrics"]["validation"] = asdict(measure(served(validation), validation.labels))
    if real is not None:
        report["data"]["hands"] = describe_hands(load_hands(data, (*TRAINING, *VALIDATION)).values())
        fitted = fit_answer(served(_digits_of(real)), real)
        report |= {"thresholds": asdict(fitted.thresholds), "digit_odds": fitted.odds.model_dump()}
        report["metrics"]["real"] = _judge_real(net, report, real)
    elif recipe.pool is not None:
        pictures = _with_mnist(pool_of(validation, VALIDATION_PLAN, folder), validation)
        labels, rejected = torch.from_numpy(pictures.labels), torch.from_numpy(pictures.rejected)
        report["thresholds"] = asdict(fit_thresholds(served(_digits_of(pictures)), labels, rejected))
    if recipe.pool is not None:
        thresholds = Thresholds(**report["thresholds"])
        report["metrics"]["pictures"] = _judge_pictures(served, test, thresholds, folder)
    one_look = measure(logits_of(net, test), test.labels, report["temperature"])
    test_metrics = measure(served(test), test.labels)
    report["metrics"] |= {
        "test": asdict(test_metrics),
        "one_look": {"pictures": one_look.pictures, "accuracy": one_look.accuracy, "ece": one_look.ece},
    }
    write_json(folder / REPORT, report)
    plots.learning_curve(report["history"], folder / "learning_curve.png")
    plots.confusion_matrix(test_metrics, folder / "confusion_matrix.png")
    plots.reliability_diagram(test_metrics, folder / RELIABILITY)
    return report


def _digits_of(pool: Pool) -> Digits:
    return Digits(torch.from_numpy(pool.images), torch.from_numpy(pool.labels))


def _judge_real(net: ConvNet, report: Mapping[str, Any], real: Pool) -> dict[str, Any]:
    """Answer the real validation pictures as they will be served: a row for each source, and the calibration."""
    manifest = Manifest.model_construct(
        thresholds=ServedThresholds(**report["thresholds"]), digit_odds=DigitOdds(**report["digit_odds"])
    )
    answers = answer_all(runner_of(net, report["temperature"]), manifest, real)
    error = calibration_error(answers, real, balanced(real))
    return {"rows": to_json(leaderboard(answers, real)), "ece": round(error, 5)}


def judge_again(net: ConvNet, recipe: Recipe, folder: Path, data: Path) -> dict[str, Any]:
    """Fit temperature and thresholds of a finished run anew, as after a change to the preprocessing."""
    return judge(read_report(folder), net, recipe, folder, data)


def _judge_pictures(
    served: Callable[[Digits], Tensor], test: Digits, thresholds: Thresholds, folder: Path
) -> Mapping[str, Any]:
    """Answer pictures made from the test set's digits, a rejected digit counting as wrong; shares 0..1 by kind."""
    pool = _with_mnist(pool_of(test, TEST_PLAN, folder), test)
    logits = served(_digits_of(pool))
    rejected = rejection_by_kind(logits, pool.kinds, pool.rejected, thresholds)
    shows_digit = set(pool.kinds[pool.labels != NO_DIGIT].tolist())
    return {
        "right": right_by_kind(logits, pool, thresholds),
        "digits_rejected": {kind: share for kind, share in rejected.items() if kind in shows_digit},
        "others_rejected": {kind: share for kind, share in rejected.items() if kind not in shows_digit},
    }


def _one_epoch(run: Run, recipe: Recipe, training: Digits, validation: Digits, seed: int) -> None:
    title = f"epoch {run.epoch + 1}/{recipe.epochs}"
    with tqdm(total=len(training), desc=title, unit="img", unit_scale=True) as bar:

        def progress(pictures: int, loss: float, accuracy: float) -> None:
            bar.update(pictures)
            bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{100 * accuracy:.2f}%", refresh=False)

        train_epoch(run, recipe, seed, training, progress)
        if len(validation):
            accuracy = measure(logits_of(run.averaged, validation), validation.labels).accuracy
            run.history[-1]["validation_accuracy"] = accuracy
            bar.set_postfix(loss=f"{run.history[-1]['loss']:.4f}", validation=f"{100 * accuracy:.2f}%")


def pool_of(digits: Digits, plan: PoolPlan, folder: Path) -> Pool:
    """Take the pool of some digits, kept beside the run folders so that several runs share it."""
    return load_pool(digits.images.numpy(), digits.labels.numpy(), plan, folder.parent, torch.get_num_threads())


def _with_mnist(pool: Pool, digits: Digits) -> Pool:
    """Put the digits themselves in front of the pool made from them, as the kind `mnist`."""
    return Pool(
        images=np.concatenate([digits.images.numpy(), pool.images]),
        labels=np.concatenate([digits.labels.numpy(), pool.labels]),
        kinds=np.concatenate([np.full(len(digits), "mnist"), pool.kinds]),
        rejected=np.concatenate([np.zeros(len(digits), np.bool_), pool.rejected]),
    )


def _with_pool(digits: Digits, pool: Pool) -> Digits:
    """Put the pool's pictures behind the digits, except those that preprocessing turns down by itself."""
    kept = ~pool.rejected
    images = np.concatenate([digits.images.numpy(), pool.images[kept]])
    labels = np.concatenate([digits.labels.numpy(), pool.labels[kept]])
    return Digits(torch.from_numpy(images), torch.from_numpy(labels))
