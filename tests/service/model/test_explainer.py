"""The look inside shows the served network's own numbers, and they are the textbook's."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from service.errors import ArtifactError
from service.model.artifact import Artifact, load_artifact
from service.model.explainer import CHUNK, MAPS, PATCH, STRIDE, WEIGHTS, Explainer, occluded, with_outputs
from service.model.explanation import Explanation, ExplanationContent
from service.model.session import DigitSession
from training.network import reference

MODELS = Path(__file__).parents[3] / "models" / "digits"
MAX_JSON = 60_000


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """The shipped model."""
    return load_artifact(MODELS)


@pytest.fixture(scope="module")
def explainer(artifact: Artifact) -> Explainer:
    """One explainer for all tests."""
    return Explainer(artifact)


@pytest.fixture(scope="module")
def seven() -> NDArray[np.uint8]:
    """A 7 of two bars, blurred a little: uint8 [28, 28]."""
    image = np.zeros((28, 28), np.float32)
    image[5:8, 7:20] = 255
    for row in range(7, 23):
        left = 18 - (row - 7) * 8 // 16
        image[row, left : left + 3] = 255
    blurred = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1) + np.roll(image, -1, 1)) / 4
    return blurred.astype(np.uint8)


@pytest.fixture(scope="module")
def explanation(explainer: Explainer, seven: NDArray[np.uint8]) -> Explanation:
    """What there is to say of the seven."""
    return explainer.explain(seven)


def test_the_probabilities_are_those_that_serve(
    artifact: Artifact, explanation: Explanation, seven: NDArray[np.uint8]
) -> None:
    """The session with further outputs answers what the serving session answers."""
    served = DigitSession(artifact, "cpu").run(seven[np.newaxis]).probabilities[0]
    np.testing.assert_allclose(explanation.probabilities, served, atol=1e-6)
    assert explanation.probabilities.argmax() == 7


def test_the_maps_agree_with_the_textbook_sums(explanation: Explanation, seven: NDArray[np.uint8]) -> None:
    """conv1, pool1, conv2 and pool2 equal training/network/reference.py on the kernels that are shown, in float64."""
    weights = {name: value.astype(np.float64) for name, value in explanation.weights.items()}
    low, high = explanation.input_range
    hidden = (low + seven.astype(np.float64) / 255 * (high - low))[np.newaxis, np.newaxis]
    for number in ("1", "2"):
        kernels, bias = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
        hidden = reference.relu(reference.cross_correlate(hidden, kernels, bias))
        np.testing.assert_allclose(explanation.maps[f"conv{number}"], hidden[0], atol=1e-4)
        hidden = reference.max_pool(hidden, 2)
        np.testing.assert_allclose(explanation.maps[f"pool{number}"], hidden[0], atol=1e-4)


def test_the_network_calculates_with_minus_one_to_one(explanation: Explanation) -> None:
    """Normalize(0.5, 0.5), read out of the graph: background is -1 and full ink is 1."""
    assert explanation.input_range == pytest.approx((-1.0, 1.0))


def test_shapes_are_the_articles(explanation: Explanation) -> None:
    """28 → 24 → 12 → 8 → 4, with 10 and 20 channels, then 50 features."""
    shapes = {name: values.shape for name, values in explanation.maps.items()}
    assert shapes == {
        "conv1": (10, 24, 24),
        "pool1": (10, 12, 12),
        "conv2": (20, 8, 8),
        "pool2": (20, 4, 4),
        "fc1": (50,),
    }
    assert explanation.weights["conv1.weight"].shape == (10, 1, 5, 5)
    assert explanation.weights["conv2.weight"].shape == (20, 10, 5, 5)


def test_occlusion_is_the_drop_of_the_winner(
    artifact: Artifact, explanation: Explanation, seven: NDArray[np.uint8]
) -> None:
    """Each cell equals the fall of the winner's probability when its patch is blanked by hand."""
    session = DigitSession(artifact, "cpu")
    winner = int(explanation.probabilities.argmax())
    assert explanation.occlusion.shape == (14, 14)
    assert np.abs(explanation.occlusion).max() > 0.001
    for row, column in [(0, 0), (3, 8), (7, 8), (13, 13)]:
        hidden = seven.copy()
        middle_y, middle_x = row * STRIDE + STRIDE // 2, column * STRIDE + STRIDE // 2
        half = PATCH // 2
        hidden[max(0, middle_y - half) : middle_y + half, max(0, middle_x - half) : middle_x + half] = 0
        probability = session.run(hidden[np.newaxis]).probabilities[0, winner]
        assert explanation.occlusion[row, column] == pytest.approx(
            explanation.probabilities[winner] - probability, abs=1e-6
        )


def test_occlusion_is_for_the_class_that_is_asked_for(
    explainer: Explainer, explanation: Explanation, seven: NDArray[np.uint8]
) -> None:
    """A second look may have another winner than this one."""
    asked = explainer.explain(seven, winner=2)
    np.testing.assert_array_equal(asked.probabilities, explanation.probabilities)
    rise = asked.occlusion.min()
    assert rise < -0.01  # hiding some place makes a 2 likelier
    assert asked.occlusion.max() <= explanation.probabilities[2]


def test_the_patches_cover_the_whole_image() -> None:
    """No pixel escapes being hidden, and every patch has the same centre-to-border distance."""
    hidden, grid = occluded(np.full((28, 28), 255, np.uint8))
    assert grid == (14, 14)
    assert (hidden == 0).any(axis=0).all()
    assert (hidden[7 * 14 + 7] == 0).sum() == PATCH * PATCH


def test_an_empty_image_has_no_part_that_decides(explainer: Explainer) -> None:
    """Hiding nothing changes nothing."""
    assert not explainer.explain(np.zeros((28, 28), np.uint8)).occlusion.any()


def test_one_look_runs_the_network_on_a_bounded_number_of_images(
    explainer: Explainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much ink there is: at most CHUNK images at once, and one for each patch."""
    sizes: list[int] = []
    classify = explainer._classify

    def count(images_u8: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(images_u8))
        return classify(images_u8)

    monkeypatch.setattr(explainer, "_classify", count)
    explainer.explain(np.full((28, 28), 255, np.uint8))
    assert max(sizes) == CHUNK
    assert sum(sizes) == 1 + 14 * 14


def test_the_json_holds_everything_and_is_small(explanation: Explanation) -> None:
    """Maps come back within half a step of their scale, weights bit for bit, in less than 60 KB."""
    text = json.dumps(explanation.to_json_dict())
    assert len(text) < MAX_JSON
    answer = json.loads(text)
    for name in MAPS:
        packed = answer["maps"][name]
        values = np.frombuffer(base64.b64decode(packed["data"]), np.uint8).reshape(packed["shape"]) * packed["scale"]
        np.testing.assert_allclose(values, explanation.maps[name], atol=packed["scale"] * 0.51)
    for name in WEIGHTS:
        packed = answer["weights"][name]
        exact = np.frombuffer(base64.b64decode(packed["data"]), "<f4").reshape(packed["shape"])
        np.testing.assert_array_equal(exact, explanation.weights[name])
    seen = np.frombuffer(base64.b64decode(answer["input"]["data"]), np.uint8).reshape(28, 28)
    np.testing.assert_array_equal(seen, explanation.image)
    assert len(answer["occlusion"]["drop"]) == 14
    assert answer["labels"] == list("0123456789")


def test_the_json_is_what_the_description_says(explanation: Explanation) -> None:
    """Every property is described, and nothing is described that is not there."""
    answer = json.loads(json.dumps(explanation.to_json_dict()))
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed; it comes with schemathesis")
    jsonschema.validate(answer, TypeAdapter(ExplanationContent).json_schema())
    assert set(answer) == set(ExplanationContent.__annotations__)


def test_a_map_without_any_activation_survives_the_json(explanation: Explanation) -> None:
    """An all-zero layer has no maximum to scale by, and comes back as zeros."""
    dark = replace(explanation, maps={name: values * 0 for name, values in explanation.maps.items()})
    packed = dark.to_json_dict()["maps"]["conv1"]
    assert set(base64.b64decode(packed["data"])) == {0}
    assert packed["scale"] > 0


def test_a_model_without_named_layers_is_refused(artifact: Artifact) -> None:
    """The error says which names are missing and what to do."""
    bare = replace(artifact, manifest=artifact.manifest.model_copy(update={"layers": {}}))
    with pytest.raises(ArtifactError, match=r"has no .*conv1.* in `layers`.*export again"):
        Explainer(bare)


def test_a_layer_that_is_not_in_the_graph_is_refused(artifact: Artifact) -> None:
    """A wrong name is found at start, not at the first look."""
    layers = artifact.manifest.layers | {"conv1": "no_such_tensor"}
    wrong = replace(artifact, manifest=artifact.manifest.model_copy(update={"layers": layers}))
    with pytest.raises(ArtifactError, match="no_such_tensor"):
        Explainer(wrong)


def test_the_merge_is_what_protobuf_says_it_is(artifact: Artifact) -> None:
    """The real protobuf library reads the lengthened file as the same graph with further outputs, long names too."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: `pip install 'digit-service[train]'`")
    names = ["a", "b" * 300]
    before = onnx.load_from_string(artifact.model_bytes)
    after = onnx.load_from_string(with_outputs(artifact.model_bytes, names))
    outputs = [output.name for output in before.graph.output]
    assert [output.name for output in after.graph.output] == outputs + names
    del after.graph.output[len(outputs) :]
    assert after == before
