"""The commands beyond train, evaluate, export and verify."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from training.data.convert import KINDS
from training.data.convert import convert as convert_hands
from training.data.feedback import read_feedback
from training.judge.feedback_report import feedback_sheet, report_lines
from training.judge.membership import attack_folder, attack_mnist
from training.learn.adapt import Adaptation
from training.publish.finetune import Finetuning, check
from training.publish.finetune import finetune as run_finetuning
from training.publish.watch import ENOUGH, EVERY_S, watch
from training.study import compress as compression
from training.study import experiments
from training.study.distil import Distillation

logger = logging.getLogger("training")

Add = Callable[[Callable[[argparse.Namespace], None]], argparse.ArgumentParser]
MODELS: Final = Path("models/digits")
KEPT: Final = 0.5  # of what the gate lets fine-tuning lose: the limit on the images by which the weights are mixed


def finetune(options: argparse.Namespace) -> None:
    """Fine-tune a model on your own images, and publish it as the next version if it is better."""
    job = Finetuning(
        pictures=options.feedback or options.pictures,
        model=options.model,
        run=options.run,
        data=options.data,
        how=Adaptation(
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            seed=options.seed,
            forget=KEPT * options.bound,
            forget_others=KEPT * options.bound_others,
        ),
        bound=options.bound,
        bound_others=options.bound_others,
        unmeasured=options.unmeasured,
        drop_disputed=options.drop_disputed,
        is_feedback=options.feedback is not None,
        only_accepted=options.only_accepted,
    )
    if options.check and not job.is_feedback:
        check(job, DigitSession(load_artifact(job.model), "cpu"))
    elif options.watch:
        watch(job, enough=options.enough, every_s=options.every)
    else:
        logger.info("published %s; restart the service, or load it live (docs/finetune.md)", run_finetuning(job))


def feedback(options: argparse.Namespace) -> None:
    """Summarise corrections by users: counts, accuracy by version, disputed ones, and an image of them."""
    found = read_feedback(options.folder)
    for line in report_lines(found):
        logger.info("%s", line)
    if found.kept:
        shown = feedback_sheet(found, options.folder, options.sheet)
        logger.info("%d of %d drawn in %s, disputed ones first", shown, len(found.kept), options.sheet)


def compress(options: argparse.Namespace) -> None:
    """Make smaller variants of the shipped model, and compare size, accuracy, latency and CPU time."""
    material = compression.gather(options.model, options.data, options.pictures, options.run)
    how = Distillation(epochs=options.epochs, seed=options.seed)
    names = options.only or list(compression.VARIANTS)
    options.run.mkdir(parents=True, exist_ok=True)
    rows = [compression.measure_variant("shipped", material.shipped.model_bytes, material)]
    for name in names:
        path = options.run / f"{name}-{material.shipped.manifest.sha256[:8]}-{options.epochs}-{options.seed}.onnx"
        if not path.exists():
            path.write_bytes(compression.make(name, material, how))
        rows.append(compression.measure_variant(name, path.read_bytes(), material))
        logger.info("%s: %s", name, compression.verdict(rows[-1], rows[0].cost))
    logger.info("%s", compression.table(rows))


def experiment(options: argparse.Namespace) -> None:
    """Train other networks of the same size with one short recipe, and compare them with the article's."""
    trained = experiments.compare_cells(range(options.seeds), options.data, options.run)
    logger.info("%s", experiments.table(trained, load_artifact(options.model)))


def membership(options: argparse.Namespace) -> None:
    """Try to find out from the confidence which images a model was trained on (membership attack)."""
    session = DigitSession(load_artifact(options.model), "cpu")
    attacks = (
        attack_mnist(session, options.data)
        if options.pictures is None
        else attack_folder(session, options.pictures, options.seed)
    )
    for name, found in attacks.items():
        logger.info(
            "%s: AUC %.3f (chance 0.5), advantage %.3f, %.1f %% of %d members found at 1 %% false alarms of %d others",
            *(name, found.auc, found.advantage, 100 * found.found, found.members, found.others),
        )


def convert(options: argparse.Namespace) -> None:
    """Make a file for training from a public data set of handwriting (docs/data.md)."""
    options.target.parent.mkdir(parents=True, exist_ok=True)
    convert_hands(options.kind, options.source, options.target)
    logger.info("written to %s", options.target)


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    _add_finetune(add)
    command = add(feedback)
    command.add_argument("folder", type=Path, help="the folder that DIGITS_FEEDBACK names")
    command.add_argument("--sheet", type=Path, default=Path("runs/feedback.png"), help="(runs/feedback.png)")
    command = add(convert)
    command.add_argument(
        "kind", choices=sorted(KINDS), help="the format; `pictures` is a folder with <label>/<file>.png"
    )
    command.add_argument("--source", type=Path, nargs="+", required=True, help="files, or the folder")
    command.add_argument("--target", type=Path, required=True, help="such as data/hands/usps_train.npz")
    command = add(compress)
    command.add_argument("--model", type=Path, default=MODELS, help=f"the shipped model ({MODELS})")
    command.add_argument(
        "--pictures", type=Path, nargs="*", default=[], help="folders with <label>/<file> to measure on too"
    )
    command.add_argument("--only", nargs="+", choices=list(compression.VARIANTS), help="make these variants (all)")
    command.add_argument("--epochs", type=int, default=Distillation().epochs, help="of distillation (60)")
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same weights (0)")
    command.add_argument("--run", type=Path, default=Path("runs/compress"), help="folder for variants (runs/compress)")
    command = add(experiment)
    command.add_argument("--seeds", type=int, default=3, help="runs of each network (3)")
    command.add_argument("--model", type=Path, default=MODELS, help=f"its manifest is used for the timing ({MODELS})")
    command.add_argument(
        "--run", type=Path, default=Path("runs/experiment"), help="folder for results (runs/experiment)"
    )
    command = add(membership)
    command.add_argument("--model", type=Path, default=MODELS, help=f"the model to attack ({MODELS})")
    command.add_argument("--pictures", type=Path, help="the folder that the model was fine-tuned on, instead of MNIST")
    command.add_argument("--seed", type=int, default=0, help="seed of the fine-tuning (0)")


def _add_finetune(add: Add) -> None:
    how, job = Adaptation(), Finetuning(Path(), Path(), Path(), Path())
    command = add(finetune)
    taught = command.add_mutually_exclusive_group(required=True)
    taught.add_argument(
        "--pictures", type=Path, help="folder with <label>/<file>, or CSV with path, label and optionally group"
    )
    taught.add_argument("--feedback", type=Path, help="the folder that DIGITS_FEEDBACK names (docs/feedback.md)")
    command.add_argument("--only-accepted", action="store_true", help="use only corrections that a person has accepted")
    command.add_argument(
        "--watch", action="store_true", help="keep running, and fine-tune when enough new corrections are there"
    )
    command.add_argument("--enough", type=int, default=ENOUGH, help=f"how many new corrections are enough ({ENOUGH})")
    command.add_argument(
        "--every", type=float, default=EVERY_S, help=f"seconds between two checks of the folder ({EVERY_S:g})"
    )
    command.add_argument("--check", action="store_true", help="only report problems of the images")
    command.add_argument(
        "--model",
        type=Path,
        default=MODELS,
        help=f"model to start from; the new version is written beside it ({MODELS})",
    )
    command.add_argument(
        "--run", type=Path, default=Path("runs/finetune"), help="folder for everything else (runs/finetune)"
    )
    command.add_argument(
        "--seed", type=int, default=how.seed, help="the same seed gives the same split and weights (0)"
    )
    command.add_argument("--epochs", type=int, default=how.epochs, help=f"at most ({how.epochs})")
    command.add_argument("--learning-rate", type=float, default=how.learning_rate, help=f"({how.learning_rate})")
    command.add_argument(
        "--bound", type=float, default=job.bound, help=f"percentage points that MNIST may lose ({job.bound})"
    )
    command.add_argument(
        "--bound-others",
        type=float,
        default=job.bound_others,
        help=f"percentage points that the rejection of non-digits may lose ({job.bound_others})",
    )
    command.add_argument(
        "--drop-disputed", action="store_true", help="leave out images whose label the model strongly disputes"
    )
    command.add_argument(
        "--unmeasured", action="store_true", help="publish even if MNIST is missing and forgetting cannot be measured"
    )
