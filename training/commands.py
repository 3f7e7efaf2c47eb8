"""The commands beyond train, evaluate, export and verify."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from service.artifact import load_artifact
from service.session import DigitSession
from training.adapt import Adaptation
from training.finetune import Finetuning, check
from training.finetune import finetune as run_finetuning

logger = logging.getLogger("training")

Add = Callable[[Callable[[argparse.Namespace], None]], argparse.ArgumentParser]
MODELS = Path("models/digits")


def finetune(options: argparse.Namespace) -> None:
    """Teach the shipped model your own pictures, and publish it as the next version if it is better."""
    job = Finetuning(
        pictures=options.pictures,
        model=options.model,
        run=options.run,
        data=options.data,
        how=Adaptation(epochs=options.epochs, learning_rate=options.learning_rate, seed=options.seed),
        bound=options.bound,
        unmeasured=options.unmeasured,
        drop_disputed=options.drop_disputed,
    )
    if options.check:
        check(job, DigitSession(load_artifact(job.model), "cpu"))
        return
    logger.info("published %s; restart the service, or load it live (docs/finetuning.md)", run_finetuning(job))


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    how, job = Adaptation(), Finetuning(Path(), Path(), Path(), Path())
    command = add(finetune)
    command.add_argument(
        "--pictures", type=Path, required=True, help="folder of <label>/<file>, or CSV with path, label and maybe group"
    )
    command.add_argument("--check", action="store_true", help="only say what is wrong with the pictures")
    command.add_argument("--model", type=Path, default=MODELS, help=f"what to start from; the next to it ({MODELS})")
    command.add_argument("--run", type=Path, default=Path("runs/finetune"), help="folder for all else (runs/finetune)")
    command.add_argument("--seed", type=int, default=how.seed, help="divides and trains the same way again (0)")
    command.add_argument("--epochs", type=int, default=how.epochs, help=f"at most ({how.epochs})")
    command.add_argument("--learning-rate", type=float, default=how.learning_rate, help=f"({how.learning_rate})")
    command.add_argument("--bound", type=float, default=job.bound, help=f"points that MNIST may lose ({job.bound})")
    command.add_argument("--drop-disputed", action="store_true", help="leave strongly disputed labels out")
    command.add_argument("--unmeasured", action="store_true", help="publish even where MNIST is not there to measure")
