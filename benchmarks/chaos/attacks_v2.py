"""Hostile requests of KServe's protocols: V1, Open Inference, and Triton's extensions of it."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

from benchmarks.chaos.wire import INFER, Attack, post

V1 = "/v1/models/digits:predict"
REFUSED = ("logging", "trace/setting", "systemsharedmemory/region/a/register", "repository/models/digits/unload")


def odd_instances(choose: random.Random, files: dict[str, bytes]) -> Attack:
    """Instances of V1 that are no images, no pictures, too many or nested too deep."""
    deep: Any = 0
    for _ in range(choose.choice([5, 40, 400])):
        deep = [deep]
    odd: list[Any] = [
        [[0] * 28] * 28,
        [[0] * 28] * 27,
        [1e400] * 784,
        [2**70] * 784,
        [None] * 784,
        deep,
        {"b64": "A" * choose.choice([1, 4, 100_000])},
        {"b64": {"b64": {}}},
        {"image_bytes": [{"b64": ""}]},
        {"b64": base64.b64encode(files["PNG"][: choose.randrange(len(files["PNG"]))]).decode()},
        {},
        None,
        "data:,",
        "http://127.0.0.1/",
        True,
    ]
    instances: Any = [choose.choice(odd) for _ in range(choose.choice([1, 2, 1025]))]
    content = choose.choice([{"instances": instances}, {"instances": instances[0]}, {"inputs": instances}, instances])
    return Attack("odd instances", post(V1, json.dumps(content).encode(), "application/json"))


def odd_extension(choose: random.Random, _: dict[str, bytes]) -> Attack:
    """A class_count that is none, a part of Triton that is not here, or an odd index."""
    how = choose.randrange(3)
    if how == 0:
        return Attack("refused", post(f"/v2/{choose.choice(REFUSED)}", b"{}", "application/json"))
    if how == 1:
        body = choose.choice([b'{"ready": 7}', b"[" * 1000, b"\xff", b"null"])
        return Attack("odd index", post("/v2/repository/index", body, "application/json"))
    count = choose.choice([-1, 0, 11, 2**63, 2**70, 1e9, True, "3", [3], {}])
    name = choose.choice(["probabilities", "logits", "digit", "rejected", "none"])
    content = {
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": [0] * 784}],
        "outputs": [{"name": name, "parameters": {"classification": count}}] * choose.choice([1, 16]),
    }
    return Attack("class count", post(INFER, json.dumps(content).encode(), "application/json"))


def odd_tensor(choose: random.Random, _: dict[str, bytes]) -> Attack:
    """A tensor whose parts do not fit together."""
    odd = choose.choice
    entry = {
        "name": odd(["images", "pictures", "", "x" * 1000, None, 7, "../images"]),
        "datatype": odd(["UINT8", "BYTES", "FP32", None, 8, "uint8"]),
        "shape": odd(
            [[1, 28, 28], [0, 28, 28], [-1, 28, 28], [2**62, 28, 28], [1], [1.5, 28, 28], None, [True, 28, 28], [[1]]]
        ),
        "data": odd(
            [
                [0] * 784,
                [],
                None,
                "0",
                [0] * 785,
                [[0]],
                [None] * 784,
                [1e400] * 784,
                [-1] * 784,
                [2**70] * 784,
                ["a"],
                [{}],
            ]
        ),
    }
    content = {
        "inputs": odd([[entry], [entry] * 20, entry, []]),
        "outputs": odd([None, [], [{"name": "none"}], [7], "x"]),
    }
    return Attack("odd tensor", post(INFER, json.dumps(content).encode(), "application/json"))


def lying_tensor(choose: random.Random, files: dict[str, bytes]) -> Attack:
    """A binary tensor that says another size than it has."""
    size = choose.choice([0, 784, 783, -1, 2**40, "784", None])
    shape = choose.choice([[1, 28, 28], [100, 28, 28], [2**31, 28, 28]])
    name, datatype = choose.choice([("images", "UINT8"), ("pictures", "BYTES")])
    shape = shape if name == "images" else shape[:1]
    head = json.dumps(
        {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}]}
    )
    tail = choose.choice(
        [bytes(784), b"", struct.pack("<I", 2**32 - 1) + files["PNG"], struct.pack("<I", 0) * 5000, bytes(200_000)]
    )
    return Attack(
        "lying tensor",
        post(INFER, head.encode() + tail, "application/octet-stream", f"Inference-Header-Content-Length: {len(head)}"),
    )


def header_length(choose: random.Random, _: dict[str, bytes]) -> Attack:
    """A length of the JSON part that is none."""
    length = choose.choice(["-1", "0", "99999999", "9" * 5000, "1e3", "abc", "", " 5", "\xb2"])
    return Attack(
        f"header length {length[:10]!r}",
        post(INFER, b'{"inputs": []}', "application/json", f"Inference-Header-Content-Length: {length}"),
    )


def odd_json(choose: random.Random, _: dict[str, bytes]) -> Attack:
    """JSON that is deep, doubled, or none."""
    deep = choose.choice([100, 100_000])
    bodies = (
        b"[" * deep + b"]" * deep,
        b'{"inputs":' * deep,
        b"\xff\xfe" + b"{}",
        b'{"inputs": [{"name": "images", "name": "pictures"}]}',
        b"1" * 100_000,
        b'{"inputs": NaN}',
        b'"\\ud800"',
        b'{"id": "\\ud800", "inputs": [{"name": "images", "datatype": "UINT8", "shape": [1,28,28], "data": ['
        + b"0," * 783
        + b"0]}]}",
        b'{"images": ' + b"[" * deep + b"0" + b"]" * deep + b"}",
    )
    return Attack("odd JSON", post(choose.choice([INFER, "/classify"]), choose.choice(bodies), "application/json"))
