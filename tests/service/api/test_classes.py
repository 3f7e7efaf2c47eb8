"""Triton's classification extension: the best classes of an output, as its documentation writes them."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from grpc_calls import bars
from hypothesis import given
from hypothesis import strategies as st
from serving import Server

from service.api.classes import best_classes, class_count
from service.errors import RequestError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the client


def test_the_example_of_tritons_documentation() -> None:
    """[1, 5, 10, 4] has the top 2 "10:2:apple" and "5:1:pickle", with Triton's six decimals."""
    scores = np.array([[1, 5, 10, 4]], np.float32)
    labels = ["pear", "pickle", "apple", "plum"]
    assert best_classes(scores, 2, labels).tolist() == [["10.000000:2:apple", "5.000000:1:pickle"]]


def test_no_more_classes_come_than_there_are_and_equals_keep_their_order() -> None:
    """Ten are asked for, three are there; the lower index is first among equals."""
    assert best_classes(np.array([[0.5, 0.0, 0.5]]), 10, "abc").tolist() == [
        ["0.500000:0:a", "0.500000:2:c", "0.000000:1:b"]
    ]


@pytest.mark.parametrize("binary", [True, False])
def test_nvidias_client_gets_the_best_classes(server: Server, *, binary: bool) -> None:
    """As BYTES [N, class_count], beside the tensor that they were taken from, binary and in JSON."""
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        images = triton.InferInput("images", [3, 28, 28], "UINT8")
        images.set_data_from_numpy(bars(3))
        for name in ("probabilities", "logits"):
            best = triton.InferRequestedOutput(name, binary_data=binary, class_count=3)
            answer = client.infer("digits", [images], outputs=[best])
            assert answer.get_output(name)["datatype"] == "BYTES"
            found = answer.as_numpy(name)
            assert found.shape == (3, 3)
            scores = client.infer("digits", [images]).as_numpy(name)
            for row, of in zip(found, scores, strict=True):
                for text, place in zip(row, np.argsort(-of)[:3], strict=True):
                    value, index, label = (text if isinstance(text, str) else text.decode()).split(":")
                    assert (int(index), label) == (place, str(place))
                    assert float(value) == pytest.approx(of[place], abs=1e-5)


def test_one_output_may_be_asked_for_both_ways(server: Server) -> None:
    """The same name twice: the tensor, and its best class."""
    image = {"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": bars(1).ravel().tolist()}
    both = [{"name": "probabilities"}, {"name": "probabilities", "parameters": {"classification": 1}}]
    answer = httpx.post(f"{server.url}/v2/models/digits/infer", json={"inputs": [image], "outputs": both})
    tensor, best = answer.json()["outputs"]
    assert (tensor["shape"], best["shape"], best["datatype"]) == ([1, 10], [1, 1], "BYTES")
    assert float(best["data"][0].split(":")[0]) == pytest.approx(max(tensor["data"]), abs=1e-5)


@pytest.mark.parametrize(
    ("value", "output", "said"),
    [
        (-1, "logits", "'classification' is -1"),
        (True, "logits", "'classification' is True"),
        ("3", "logits", "'classification' is '3'"),
        (1.5, "logits", r"'classification' is 1\.5"),
        (3, "digit", "'digit' has no scores .* ask for class_count of 'probabilities' or 'logits'"),
        (3, "rejected", "'rejected' has no scores"),
    ],
)
def test_what_cannot_be_counted_is_refused(value: object, output: str, said: str) -> None:
    """The parameter, its value, and what was expected."""
    with pytest.raises(RequestError, match=said):
        class_count(value, output)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@given(JSON, st.sampled_from(["probabilities", "logits", "digit", "", "x" * 300]))
def test_any_class_count_is_read_or_refused(value: object, output: str) -> None:
    """Whatever JSON can say, the request gets a count or an error of ours."""
    try:
        count = class_count(json.loads(json.dumps(value)), output)
    except RequestError:
        return
    assert best_classes(np.zeros((2, 10)), count, "0123456789").shape == (2, min(count, 10))
