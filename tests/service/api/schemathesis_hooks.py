"""What no schema can say, for schemathesis: how a picture is written, and what must agree within a tensor request."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import schemathesis
from hypothesis import strategies as st
from PIL import Image

from service.contract import PICTURE_TYPES

HEADER = "Inference-Header-Content-Length"


def encode(pixels: bytes) -> bytes:
    """Write 8 × 8 grey pixels as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(8, 8)).save(file, "PNG")
    return file.getvalue()


PICTURES = st.binary(min_size=64, max_size=64).map(encode)
schemathesis.openapi.format("picture-base64", PICTURES.map(lambda data: base64.b64encode(data).decode()))
for kind in PICTURE_TYPES:
    schemathesis.openapi.media_type(kind, PICTURES)


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:  # noqa: ARG001 - the hook is called with both
    """Let the parts of a valid request agree: pixels and shape, and the header with the length of the JSON part."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return case
    if case.operation.path == "/classify":
        case.body = {"images": [[[0] * 28] * 28 for _ in case.body["images"]]}
    if case.operation.path.endswith(":predict"):
        case.body = {"instances": [[[0] * 28] * 28 if isinstance(one, list) else one for one in case.body["instances"]]}
    if case.operation.path.endswith("/infer"):
        case.headers.pop(HEADER, None)
        if case.media_type == "application/octet-stream":
            entry = {"name": "images", "datatype": "UINT8", "shape": [1, 28, 28]}
            head = json.dumps({"inputs": [{**entry, "parameters": {"binary_data_size": 784}}]}).encode()
            case.headers[HEADER] = str(len(head))
            case.body = head + bytes(784)
        else:
            tensor = {**case.body["inputs"][0]}
            count = len(tensor["data"])
            if tensor["name"] == "images":
                tensor |= {"data": [255] * (784 * count), "shape": [count, 28, 28]}
            else:
                tensor |= {"shape": [count]}
            case.body = {**case.body, "inputs": [tensor]}
            for output in case.body.get("outputs", []):
                if output["name"] not in ("probabilities", "logits"):
                    output.get("parameters", {}).pop("classification", None)
    return case
