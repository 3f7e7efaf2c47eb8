"""The command line: explains itself, and answers mistakes with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.cli import main
from training.learn.adapt import Adaptation
from training.learn.recipes import RECIPES
from training.publish.finetune import Finetuning


def test_help_names_every_command_and_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer sees what there is and what to do first."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(word in text for word in ("train", "evaluate", "export", "verify", "fit-thresholds", "DIGITS_DATA"))
    assert text.index("python -m training train") < text.index("python -m training export")


@pytest.mark.parametrize("command", ["train", "evaluate", "export", "verify", "fit-thresholds"])
def test_every_command_has_help_with_its_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No argument is needed, and each one says what it is."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["export", "--run", "nowhere"], "python -m training train"),
        (["verify", "--model", "nowhere"], "nowhere"),
        (["train", "--device", "cuda"], "--device cpu"),
        (["evaluate", "--pictures", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_status_1(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what is missing and what to do; there is no traceback."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert expected in error


def test_the_recipes_are_frozen_and_named() -> None:
    """A recipe can only be replaced, and is found under its own name."""
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        with pytest.raises(AttributeError):
            recipe.epochs = 1  # type: ignore[misc]


def test_the_bounds_limit_the_mix_of_weights_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """By half of what the gate allows; without the options it is what `Adaptation` says."""
    jobs: list[Finetuning] = []
    monkeypatch.setattr("training.commands.run_finetuning", lambda job: jobs.append(job) or Path())
    main(["finetune", "--pictures", "mine"])
    main(["finetune", "--pictures", "mine", "--bound", "0.4", "--bound-others", "0.2"])
    assert jobs[0].how == Adaptation()
    assert (jobs[1].how.forget, jobs[1].how.forget_others) == (0.2, 0.1)
    assert (jobs[1].bound, jobs[1].bound_others) == (0.4, 0.2)
