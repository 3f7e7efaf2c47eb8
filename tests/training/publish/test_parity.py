"""The ladder holds for a faithful export, and each rung breaks for its own fault."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import stripes, untrained_net, write_artifact

from service.model.artifact import load_artifact
from service.model.session import DigitSession
from training.errors import ParityError
from training.network.convnet import ConvNet, ServedNet, normalise
from training.publish import answers, parity

SHIPPED = Path(__file__).parents[3] / "models" / "digits"
TENSORS = [name for name, _ in ConvNet().named_parameters()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export one untrained network."""
    return write_artifact(tmp_path_factory.mktemp("models") / "digits" / "1", untrained_net())


def shipped_net() -> ConvNet:
    """Return the shipped network, rebuilt from the weights inside its file."""
    return parity.network_in(load_artifact(SHIPPED))


def changed_by_one_percent(net: ConvNet, name: str) -> ConvNet:
    """Return a copy with that weight of one tensor 1 % larger that the logits of random pictures hang on most."""
    probe = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (64, 28, 28), dtype=np.uint8))
    net.zero_grad()
    net(normalise(probe)).pow(2).sum().backward()
    changed = copy.deepcopy(net)
    weights = dict(net.named_parameters())[name]
    assert weights.grad is not None
    place = int((weights.grad * weights).abs().argmax())
    with torch.no_grad():
        dict(changed.named_parameters())[name].view(-1)[place] *= 1.01
    return changed


def test_a_faithful_export_passes_every_rung(folder: Path) -> None:
    """Reference, PyTorch and the serving session agree far within the tolerance, and every picture is compared."""
    report = parity.climb(untrained_net(), 1.3, load_artifact(folder), stripes(100))
    cpu = next(each for each in report.providers if each.provider == "cpu")
    assert max(cpu.to_reference, cpu.to_pytorch, cpu.alone_to_batch) < 1e-5
    assert cpu.answers_compared == 100
    assert {"cpu"} <= {each.provider for each in report.providers} | set(report.not_available)


def test_without_real_digits_the_made_up_pictures_are_compared(folder: Path) -> None:
    """No MNIST does not mean no check."""
    report = parity.climb(untrained_net(), 1.3, load_artifact(folder), None)
    assert report.providers[0].answers_compared == 4 * sum(answers.BATCH_SIZES)


@pytest.mark.parametrize("name", TENSORS)
def test_a_weight_changed_by_one_percent_breaks_the_ladder(folder: Path, name: str) -> None:
    """Whichever tensor it is in, the rung says so and names it."""
    with pytest.raises(ParityError, match=f"weights: {name} differs"):
        parity.climb(changed_by_one_percent(untrained_net(), name), 1.3, load_artifact(folder), None)


@pytest.mark.parametrize("name", TENSORS)
def test_the_values_alone_betray_a_weight_changed_by_one_percent(name: str) -> None:
    """The numeric rung notices by itself, without comparing weights; shown on the shipped network."""
    artifact = load_artifact(SHIPPED)
    session = DigitSession(artifact, "cpu")
    served = ServedNet(changed_by_one_percent(shipped_net(), name), artifact.manifest.temperature).eval()
    batch = np.concatenate(answers.probe_batches(None))
    with pytest.raises(ParityError, match=r"values: .* largest difference .* tolerance"):
        parity.check_outputs("changed", answers.session_answers(session, batch), answers.pytorch_answers(served, batch))


def test_a_forgotten_temperature_breaks_the_values(folder: Path) -> None:
    """A graph that divides by another temperature than the manifest says is not published."""
    with pytest.raises(ParityError, match="values"):
        parity.climb(untrained_net(), 1.0, load_artifact(folder), None)


def test_the_signature_rung_reads_the_manifest(folder: Path) -> None:
    """Other names, dtypes or shapes than the design's are refused."""
    artifact = load_artifact(folder)
    renamed = artifact.manifest.model_copy(update={"outputs": artifact.manifest.outputs[::-1]})
    with pytest.raises(ParityError, match=r"signature: .*outputs"):
        parity.check_signature(type(artifact)(artifact.folder, renamed, artifact.model_bytes))


def test_another_answer_is_named_with_its_picture(folder: Path) -> None:
    """The last rung compares digits, and says on which picture they part."""
    session = DigitSession(load_artifact(folder), "cpu")
    other = untrained_net(8)
    weights = {name: value.double().numpy() for name, value in other.state_dict().items()}
    with pytest.raises(
        ParityError, match=r"answers: cpu and the reference differ by their logits on \d+ of 50 pictures"
    ):
        parity.check_answers(session, weights, ServedNet(other, 1.0), stripes(50).images.numpy())


def test_not_a_number_is_never_within_the_tolerance() -> None:
    """NaN compares as neither larger nor smaller, and must still break the rung."""
    with pytest.raises(ParityError):
        parity.check_outputs("nan", {"logits": np.array([[np.nan]])}, {"logits": np.array([[0.0]])})


def test_every_output_that_differs_is_named() -> None:
    """Right logits excuse no wrong probabilities, and what is wrong in both is told of both."""
    one, other = ({"logits": np.full((1, 2), value), "probabilities": np.full((1, 2), value)} for value in (0.5, 0.6))
    with pytest.raises(ParityError, match=r"logits 1.00e-01, largest difference of probabilities 1.00e-01"):
        parity.check_outputs("both", one, other)
    with pytest.raises(ParityError, match=r"values: one: largest difference of probabilities"):
        parity.check_outputs("one", one, {**one, "probabilities": other["probabilities"]})
    with pytest.raises(ParityError, match=r"outputs are .*expected \['logits'\]"):
        parity.check_outputs("none", one, {"logits": one["logits"]})
