"""The one command line of the training package: train, evaluate, export, verify."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from service.errors import ServiceError
from service.model.artifact import load_artifact
from service.model.session import DigitSession
from service.recognition.second_look import look_twice
from training.commands import add_commands
from training.data.folder import answer_folder, contact_sheet, scores
from training.data.mnist import DATA_VARIABLE, data_folder, load_mnist
from training.errors import DataError, TrainingError
from training.judge.bundled import NAME, load_bundled
from training.judge.calibration import balanced
from training.judge.curves import curves as judge_curves
from training.judge.curves import table as curve_table
from training.judge.evaluate import evaluate_mnist
from training.judge.leaderboard import answer_all, calibration_error, from_json, table
from training.judge.leaderboard import leaderboard as judge_rows
from training.learn.recipes import RECIPES, recipe_named
from training.learn.runner import choose_device, judge_again, run_recipe, validation_pool
from training.network.checkpoint import load_network, read_report
from training.publish.parity import climb, network_in
from training.publish.publish import publish

logger = logging.getLogger("training")

EPILOG: Final = """\
the usual order:
  python -m training train      trains the recipe that ships; --recipe article takes a minute
  python -m training export     writes models/digits/1, if the parity check passes
  python -m training verify     the parity check again, from that folder alone
MNIST is read from $DIGITS_DATA/MNIST/raw, or downloaded once into ./data.
"""
DEFAULT_MODEL: Final = Path("models/digits/1")
RUNS: Final = Path("runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 after one line on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout, force=True)
    logger.setLevel(logging.INFO)  # ours: the exporter's own notes at this level are about each rewritten node
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        options.command(options)
    except (TrainingError, ServiceError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; complete epochs are saved, continue with `train --resume`\n")
        return 130
    return 0


def train(options: argparse.Namespace) -> None:
    """Train a recipe into a run folder."""
    recipe = recipe_named(options.recipe)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    if options.without_hands:
        recipe = replace(recipe, hands=None)
    folder = options.run or RUNS / recipe.name
    report = run_recipe(
        recipe,
        seed=options.seed,
        folder=folder,
        data=options.data,
        device=choose_device(options.device),
        continue_run=options.resume,
    )
    _tell_metrics(report["metrics"])
    logger.info("written to %s; next: python -m training export --run %s", folder, folder)


def evaluate(options: argparse.Namespace) -> None:
    """Measure a published model on the MNIST test set or a folder, through the session that serves."""
    session = DigitSession(load_artifact(options.model), provider=options.provider)
    if options.pictures is None:
        test = load_mnist(options.data, train=False)
        for name, run in (("one pass", session.run), ("test", partial(look_twice, session.run))):
            _tell_metrics({name: evaluate_mnist(run, test)})
        return
    answers = answer_folder(session, options.pictures)
    logger.info("%-28s %8s %8s %9s", "kind", "pictures", "right", "rejected")
    for score in scores(answers, options.pictures):
        share = 100 * score.accuracy
        logger.info("%-28s %8d %7.2f%% %9d", score.kind, score.pictures, share, score.rejected)
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    logger.info("%d wrong, drawn in %s", contact_sheet(answers, options.sheet), options.sheet)


def fit_thresholds(options: argparse.Namespace) -> None:
    """Fit temperature and rejection thresholds of a run again, needed after a change of the preprocessing."""
    trained = read_report(options.run)["recipe"]
    recipe = recipe_named(trained["name"])
    if not trained.get("hands"):
        recipe = replace(recipe, hands=None)
    report = judge_again(load_network(options.run), recipe, options.run, options.data)
    _tell_metrics(report["metrics"])
    logger.info("temperature %.4f, thresholds %s", report["temperature"], report["thresholds"])


def leaderboard(options: argparse.Namespace) -> None:
    """Measure a published model on the real validation images: by source, country and kind."""
    session = DigitSession(load_artifact(options.model), provider=options.provider)
    pool = validation_pool(RUNS / "leaderboard", options.data)
    answers = answer_all(session.run, session.artifact.manifest, pool)
    rows = judge_rows(answers, pool)
    bundled = load_bundled()
    if bundled is None:
        logger.info("without scikit-learn's digits: it is not installed (pip install scikit-learn)")
    else:
        others = judge_rows(answer_all(session.run, session.artifact.manifest, bundled), bundled)
        rows += [row for row in others if row.name.startswith(NAME)]  # not in the means: nothing is chosen by them
    logger.info("%s", table(rows))
    error = calibration_error(answers, pool, balanced(pool))
    logger.info("calibration error of the whole answer, digits and signs together: %.2f %%", 100 * error)


def curves(options: argparse.Namespace) -> None:
    """Compare measures of "no digit" on the real validation images: non-digits rejected against digits lost."""
    session = DigitSession(load_artifact(options.model), provider=options.provider)
    pool = validation_pool(RUNS / "leaderboard", options.data)
    logger.info("%s", curve_table(judge_curves(session.run, session.artifact.manifest, pool)))


def export(options: argparse.Namespace) -> None:
    """Write a run to a model folder, if NumPy reference, PyTorch and ONNX Runtime agree."""
    digits = _test_digits_if_any(options.data)
    manifest = publish(options.run, options.model, digits)
    _tell_parity(manifest["parity"])
    logger.info("published %s, %d bytes, SHA-256 %s", options.model, manifest["bytes"], manifest["sha256"])


def verify(options: argparse.Namespace) -> None:
    """Check that NumPy reference, PyTorch and ONNX Runtime agree on a published model."""
    artifact = load_artifact(options.model)
    # With the file's own weights this checks the graph; the hash checks the weights.
    net = network_in(artifact) if options.run is None else load_network(options.run)
    report = climb(net, artifact.manifest.temperature, artifact, _test_digits_if_any(options.data))
    _tell_parity(report.to_json())


def _test_digits_if_any(data: Path) -> Any:
    try:
        return load_mnist(data, train=False, download=False)
    except DataError as error:
        logger.info("without MNIST, on synthetic images only: %s", error)
        return None


def _tell_metrics(metrics: dict[str, Any]) -> None:
    for name, part in metrics.items():
        if name == "pictures":
            _tell_pictures(part)
            continue
        if name == "real":
            logger.info(
                "%s\ncalibration error of the whole answer %.2f %%", table(from_json(part["rows"])), 100 * part["ece"]
            )
            continue
        accuracy, ece = 100 * part["accuracy"], 100 * part["ece"]
        logger.info("%s: %.2f %% of %d right, calibration error %.2f %%", name, accuracy, part["pictures"], ece)


def _tell_pictures(part: dict[str, dict[str, float]]) -> None:
    for title, shares in part.items():
        listed = ", ".join(f"{kind} {100 * share:.1f}" for kind, share in shares.items())
        logger.info("synthetic pictures, %s, %%: %s", title.replace("_", " "), listed)


def _tell_parity(report: dict[str, Any]) -> None:
    tolerance = report["logit_tolerance"]
    logger.info(
        "PyTorch: differs from the reference by at most %.1e (tolerance %.0e)",
        report["pytorch_to_reference"],
        tolerance,
    )
    for each in report["providers"]:
        logger.info(
            "%s: differs from the reference by at most %.1e, from PyTorch by %.1e, alone from in a batch by %.1e; "
            "same digit from all three on %d pictures",
            *(each[key] for key in ("provider", "to_reference", "to_pytorch", "alone_to_batch", "answers_compared")),
        )


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data", type=Path, default=data_folder(), help=f"folder with MNIST/raw (default: ${DATA_VARIABLE}, or ./data)"
    )
    shared.add_argument(
        "--threads", type=int, default=2, help="CPU threads; another number rounds sums differently (2)"
    )
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(function: Any, **texts: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(
            function.__name__.replace("_", "-"),
            parents=[shared],
            help=function.__doc__,
            description=function.__doc__,
            **texts,
        )
        command.set_defaults(command=function)
        return command

    command = add(train)
    command.add_argument("--recipe", choices=sorted(RECIPES), default="best", help="what to train (best)")
    command.add_argument("--without-hands", action="store_true", help="train with MNIST only (docs/data.md)")
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same weights (0)")
    command.add_argument("--run", type=Path, help="folder for weights, metrics and plots (runs/<recipe>)")
    command.add_argument("--epochs", type=int, help="number of epochs (the recipe's)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (auto)")
    command.add_argument(
        "--resume", action="store_true", help="continue an interrupted run after its last complete epoch"
    )
    command = add(evaluate)
    command.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=f"model folder ({DEFAULT_MODEL})")
    command.add_argument("--provider", choices=("auto", "cpu", "cuda", "tensorrt"), default="cpu", help="(cpu)")
    command.add_argument("--pictures", type=Path, help="folder with <label>/<file>, instead of the MNIST test set")
    command.add_argument(
        "--sheet", type=Path, default=RUNS / "mistakes.png", help="image of the errors (runs/mistakes.png)"
    )
    for function in (leaderboard, curves):
        command = add(function)
        command.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=f"model folder ({DEFAULT_MODEL})")
        command.add_argument("--provider", choices=("auto", "cpu", "cuda", "tensorrt"), default="cpu", help="(cpu)")
    command = add(fit_thresholds)
    command.add_argument("--run", type=Path, default=RUNS / "best", help="a finished run (runs/best)")
    command = add(export)
    command.add_argument("--run", type=Path, default=RUNS / "best", help="a finished run (runs/best)")
    command.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=f"where to publish ({DEFAULT_MODEL})")
    command = add(verify)
    command.add_argument("--model", type=Path, default=DEFAULT_MODEL, help=f"model folder ({DEFAULT_MODEL})")
    command.add_argument("--run", type=Path, help="compare with this run's weights (the file's own)")
    add_commands(add)
    return parser
