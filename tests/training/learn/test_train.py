"""Training is repeatable, interruptible and learns."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from samples import stripes

from training.data.mnist import Digits
from training.errors import CheckpointError
from training.judge.measure import logits_of, measure
from training.learn import train
from training.learn.augment import Augmentation
from training.learn.recipes import RECIPES, Recipe
from training.learn.train import Run
from training.network.checkpoint import WEIGHTS, read_tensors
from training.network.convnet import ConvNet, count_parameters
from training.synth.pool import PoolPlan

CPU = torch.device("cpu")
TINY = Recipe(
    name="tiny",
    epochs=4,
    batch_size=50,
    optimizer="adamw",
    learning_rate=0.01,
    schedule="one_cycle",
    average_decay=0.9,
    augmentation=Augmentation(),
)


def trained(recipe: Recipe, seed: int, digits: Digits, epochs: int) -> Run:
    """Train for some of a recipe's epochs."""
    run = train.start(recipe, seed, CPU)
    for _ in range(epochs):
        train.train_epoch(run, recipe, seed, digits)
    return run


def same(one: Run, other: Run) -> bool:
    """Tell whether two runs hold the same weights to the bit, averaged and not."""
    pairs = [(one.net, other.net), (one.averaged, other.averaged)]
    return all(torch.equal(a, b) for x, y in pairs for a, b in zip(x.parameters(), y.parameters(), strict=True))


@pytest.mark.parametrize("change", [{"optimizer": "sgd"}, {"optimizer": "adamw"}, {"expansion": 2}])
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path: Path, change: dict[str, Any]) -> None:
    """An interrupt between epochs costs nothing: weights, averages, optimizer and random numbers go on."""
    recipe, digits = replace(TINY, **change), stripes()
    interrupted = trained(recipe, 3, digits, epochs=2)
    train.save(interrupted, recipe, 3, tmp_path)
    resumed = train.resume(recipe, 3, tmp_path, CPU)
    for _ in range(2):
        train.train_epoch(resumed, recipe, 3, digits)
    whole = trained(recipe, 3, digits, epochs=4)
    assert same(resumed, whole)
    assert resumed.history == whole.history


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    """A run can be repeated to the bit on one machine, whatever the caller's generator did before."""
    digits = stripes(100)
    first = trained(TINY, 0, digits, epochs=1)
    torch.rand(5)
    assert same(first, trained(TINY, 0, digits, epochs=1))
    assert not same(first, trained(TINY, 1, digits, epochs=1))


def test_training_refuses_what_could_give_other_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own switch is on, and cuBLAS gets the workspace with which its products are the same each time."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    train.be_deterministic()
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_training_learns() -> None:
    """A few epochs on stripes whose height is the label get them right."""
    digits = stripes()
    run = trained(replace(TINY, epochs=8), 0, digits, epochs=8)
    assert measure(logits_of(run.averaged, digits), digits.labels).accuracy > 0.9


def test_an_expanded_run_ends_in_the_article_s_network(tmp_path: Path) -> None:
    """It trains on factors, learns, and saves their products alone: 21,840 parameters that answer the same."""
    recipe, digits = replace(TINY, epochs=8, expansion=2, average_decay=0.0), stripes()
    run = trained(recipe, 0, digits, epochs=8)
    assert count_parameters(run.net) > count_parameters(run.averaged) == 21_840
    train.save(run, recipe, 0, tmp_path)
    weights, _ = read_tensors(tmp_path / WEIGHTS)
    plain = ConvNet()
    plain.load_state_dict(weights)
    logits = logits_of(plain, digits)
    torch.testing.assert_close(logits, logits_of(run.net, digits), rtol=1e-4, atol=1e-4)
    assert measure(logits, digits.labels).accuracy > 0.9


def test_pictures_without_a_digit_learn_a_high_energy() -> None:
    """Label 10 is trained against the free energy, without an eleventh output."""
    digits = stripes()
    noise = torch.randint(0, 256, (200, 28, 28), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    both = Digits(torch.cat([digits.images, noise]), torch.cat([digits.labels, torch.full((200,), 10)]))
    run = trained(replace(TINY, epochs=8, pool=PoolPlan()), 0, both, epochs=8)
    energies = -logits_of(run.averaged, both).logsumexp(dim=1)
    assert energies[both.labels == 10].median() > 0 > energies[both.labels != 10].median()


def test_another_recipes_checkpoint_is_not_continued(tmp_path: Path) -> None:
    """Mixing two runs up is an error that names what differs."""
    train.save(train.start(TINY, 0, CPU), TINY, 0, tmp_path)
    with pytest.raises(CheckpointError, match="recipe"):
        train.resume(replace(TINY, epochs=5), 0, tmp_path, CPU)
    with pytest.raises(CheckpointError, match="seed 0, expected 1"):
        train.resume(TINY, 1, tmp_path, CPU)


def test_resuming_without_a_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    """There is nothing to continue, and the message says how to begin."""
    with pytest.raises(CheckpointError, match="python -m training train"):
        train.resume(TINY, 0, tmp_path / "nothing", CPU)


def test_an_interrupted_write_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is replaced as a whole or not at all."""
    run = train.start(TINY, 0, CPU)
    train.save(run, TINY, 0, tmp_path)
    before = (tmp_path / "state.safetensors").read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train.save(run, TINY, 1, tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == before


def test_the_article_recipe_is_the_articles() -> None:
    """Its published figures only compare with its own settings."""
    article = RECIPES["article"]
    assert (article.optimizer, article.learning_rate, article.momentum) == ("sgd", 0.001, 0.9)
    assert (article.batch_size, article.epochs, article.augmentation, article.pool) == (100, 10, None, None)


def test_one_cycle_climbs_and_falls() -> None:
    """The learning rate starts and ends near 0 and peaks at the end of the warm-up."""
    rates = [TINY.learning_rate_at(step, 100) for step in range(100)]
    assert max(rates) == pytest.approx(TINY.learning_rate, rel=0.05)
    assert rates[0] < 0.05 * TINY.learning_rate
    assert rates[-1] < 0.01 * TINY.learning_rate
    assert 15 <= rates.index(max(rates)) <= 22
