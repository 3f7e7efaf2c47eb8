"""The description of every route, served at /docs.json: OpenAPI 3.1, made once from the model and the settings."""

from __future__ import annotations

import http
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from service.api.inference import is_plain
from service.contract import FORM, JSON, MAX_IMAGES, MAX_PICTURES, OCTETS, PICTURE_TYPES, Rejection
from service.model.artifact import Manifest
from service.model.explanation import PROPERTIES as EXPLANATION

if TYPE_CHECKING:
    from service.settings import Settings

Json = dict[str, Any]

EVERY_ERROR = (401, 408, 503, 504)  # what the gateway itself may answer on any route
DESCRIPTION = (
    "Send a picture, get a digit. `/predict` and `/predict_batch` take picture files, the `/v2` routes are the Open "
    "Inference Protocol: `pictures` are answered as by `/predict`, `images` get the network's own outputs. Every "
    "answer has an `X-Request-ID`, which the caller may choose: printable ASCII, at most 128."
)


def describe(manifest: Manifest, settings: Settings, release: str, pages: Iterable[tuple[str, str]] = ()) -> Json:
    """Write the document; its paths are exactly those of the gateway.

    Args:
        manifest: the model's name, version and labels.
        settings: limits, and whether there are API keys.
        release: version of the service.
        pages: path and content type of each static file.
    """
    model = f"/v2/models/{manifest.name}"
    paths: Json = {path: {"get": _page(path, kind)} for path, kind in pages}
    paths |= _pictures(settings.max_body_bytes)
    for base in (model, f"{model}/versions/{manifest.version}"):
        paths |= _model(base)
    paths |= _server()
    if settings.repository_api:
        paths |= _repository(manifest.name)
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "Handwritten digits", "version": release, "description": DESCRIPTION},
        "paths": paths,
        "components": {"schemas": _schemas(manifest)},
    }
    if settings.api_key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, methods in paths.items():
            for operation in methods.values():
                if not _is_open(path, operation, settings):
                    operation["security"] = [{"key": []}]
    return document


def _is_open(path: str, operation: Json, settings: Settings) -> bool:
    return operation["tags"][0] in ("page", "health") or (path == "/metrics" and settings.metrics_open)


def _pictures(limit: int) -> Json:
    one = {"type": "string", "format": "binary", "description": f"a picture file; the body has at most {limit} bytes"}
    raw = {kind: {"schema": one} for kind in PICTURE_TYPES}
    part = {"contentType": ", ".join(PICTURE_TYPES)}
    single = {**raw, FORM: {"schema": _object({"image": one}), "encoding": {"image": part}}}
    images = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_PICTURES}
    several = {FORM: {"schema": _object({"images": images}), "encoding": {"images": part}}}
    refusals = (400, 413, 415, 422)
    return {
        "/predict": {"post": _operation("predict", "pictures", "Classify one picture", "Prediction", single, refusals)},
        "/predict_batch": {
            "post": _operation(
                "predict_batch",
                "pictures",
                "Classify pictures, each by itself",
                "Predictions",
                several,
                (400, 413, 415),
            )
        },
        "/explain": {
            "post": _operation(
                "explain",
                "pictures",
                "Classify one picture and show what the network saw",
                "Explanation",
                single,
                (*refusals, 404),
            )
        },
    }


def _model(base: str) -> Json:
    tag = "versioned" if "/versions/" in base else "model"
    body = {
        JSON: {"schema": _ref("InferRequest")},
        OCTETS: {"schema": {"type": "string", "format": "binary"}},
    }
    infer = _operation(f"infer_{tag}", "inference", "Classify tensors", "InferAnswer", body, (400, 413, 422), v2=True)
    infer["parameters"] = [
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "description": "Length of the JSON part, where binary tensors follow it.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
        }
    ]
    infer["responses"]["200"]["content"][OCTETS] = {"schema": {"type": "string", "format": "binary"}}
    return {
        base: {"get": _operation(f"{tag}_metadata", "inference", "Inputs and outputs", "ModelMetadata", v2=True)},
        f"{base}/ready": {"get": _operation(f"{tag}_ready", "inference", "Whether it serves", "ModelReady", v2=True)},
        f"{base}/infer": {"post": infer},
    }


def _server() -> Json:
    text = {"text/plain": {"schema": {"type": "string"}}}
    health = {
        "/livez": "Whether the process lives",
        "/healthz": "The same as /livez",
        "/readyz": "Whether it wants requests",
    }
    images = {"type": "array", "minItems": 1, "maxItems": MAX_IMAGES, "items": _ref("Image")}
    classify = _operation(
        "classify", "bentoml", "Classify 28 × 28 images through BentoML's adaptive batching", "ProbabilityRows",
        {JSON: {"schema": _object({"images": images})}}, (400, 413, 415),
    )  # fmt: skip
    return {
        "/v2": {"get": _operation("v2", "inference", "Name, version and extensions", "ServerMetadata", v2=True)},
        "/v2/health/live": {"get": _operation("v2_live", "health", "Whether the server lives", "Live", v2=True)},
        "/v2/health/ready": {"get": _operation("v2_ready", "health", "Whether it wants requests", "Ready", v2=True)},
        "/classify": {"post": classify},
        **{path: {"get": _operation(path[1:], "health", what, text)} for path, what in health.items()},
        "/metrics": {"get": _operation("metrics", "operations", "Prometheus metrics", text)},
        "/schema.json": {"get": _operation("schema", "operations", "BentoML's own schema", {JSON: {}})},
        "/docs.json": {"get": _operation("docs", "page", "This document", {JSON: {}})},
    }


def _repository(model: str) -> Json:
    versioned = _object({"parameters": _object({"version": {"type": "string"}}, required=())}, required=())
    body = {JSON: {"schema": versioned}}
    load = _operation("load", "operations", "Change to another version", {JSON: {}}, body, (400, 404), v2=True)
    index = _operation("index", "operations", "List the versions", {JSON: {}}, v2=True)
    return {"/v2/repository/index": {"post": index}, f"/v2/repository/models/{model}/load": {"post": load}}


def _operation(
    name: str, tag: str, summary: str, answer: str | Json, body: Json | None = None, errors: Iterable[int] = (), *,
    v2: bool = False,
) -> Json:  # fmt: skip
    content = {JSON: {"schema": _ref(answer)}} if isinstance(answer, str) else answer
    headers = {"X-Request-ID": {"schema": {"type": "string", "maxLength": 128}}}
    problem = {JSON: {"schema": _ref("ErrorV2" if v2 else "Error")}}
    operation: Json = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "responses": {"200": {"description": "OK", "content": content, "headers": headers}}
        | {
            str(status): {"description": http.HTTPStatus(status).phrase, "content": problem, "headers": headers}
            for status in sorted({*errors, *EVERY_ERROR})
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _page(path: str, kind: str) -> Json:
    operation = _operation(f"page{path.replace('.', '_')}", "page", "A file of the page", {kind.partition(";")[0]: {}})
    operation["responses"]["304"] = {"description": "Not Modified"}
    return operation


def _schemas(manifest: Manifest) -> Json:
    classes = len(manifest.labels)
    number, text = {"type": "number"}, {"type": "string"}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    shares = {"type": "array", "items": share, "minItems": classes, "maxItems": classes}
    labels = [int(label) if label.isdecimal() else label for label in manifest.labels]
    # Pixels may be nested or flat; the rest is for the shape to say.
    pixel = {"type": "integer", "minimum": 0, "maximum": 255}
    _, height, width = manifest.inputs[0].shape
    problem = _object({"code": text, "message": text})
    shape = {"type": "array", "items": {"type": "integer"}}
    tensor = _object({"name": text, "datatype": text, "shape": shape})
    flag = {"type": "boolean"}
    images = _object(
        {
            "name": {"const": "images"},
            "datatype": {"const": "UINT8"},
            "shape": {
                "type": "array",
                "prefixItems": [{"type": "integer", "minimum": 1}, {"const": height}, {"const": width}],
                "items": False,
                "minItems": 3,
            },
            "data": {"type": "array", "minItems": 1, "items": {"anyOf": [pixel, {"type": "array"}]}},
        }
    )
    pictures = _object(
        {
            "name": {"const": "pictures"},
            "datatype": {"const": "BYTES"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 1},
            "data": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "picture-base64"}},
        }
    )
    outputs = ["probabilities", "logits", "digit", *([] if is_plain(manifest.labels) else ["label"]), "rejected"]
    only = {"additionalProperties": False}
    wanted = _object(
        {"name": {"enum": outputs}, "parameters": _object({"binary_data": flag}, required=()) | only},
        required=("name",),
    )
    return {
        "Error": _object({"error": problem}),
        "ErrorV2": _object({"error": text}),
        "Prediction": _object(
            {
                "digit": {"enum": [*labels, None], "description": "null exactly where `rejected` is not"},
                "confidence": share,
                "probabilities": shares,
                "rejected": {"enum": [*Rejection, None]},
                "model": _object({"name": {"const": manifest.name}, "version": {"const": manifest.version}}),
            }
        ),
        "Predictions": _object(
            {"predictions": {"type": "array", "items": {"anyOf": [_ref("Prediction"), _ref("Error")]}}}
        ),
        "Explanation": _object({"prediction": _ref("Prediction"), **EXPLANATION}),
        "Image": {
            "type": "array",
            "description": f"{height} rows of {width} whole numbers, 0 background to 255 ink",
            "items": {"type": "array"},
            "minItems": height,
            "maxItems": height,
        },
        "ProbabilityRows": {"type": "array", "items": shares},
        "ServerMetadata": _object({"name": text, "version": text, "extensions": {"type": "array", "items": text}}),
        "ModelMetadata": {
            "type": "object",
            "required": ["name", "versions", "platform", "inputs", "outputs"],
            "properties": {
                "name": {"const": manifest.name},
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": {"type": "array", "items": tensor},
                "outputs": {"type": "array", "items": tensor},
            },
        },
        "ModelReady": _object({"name": {"const": manifest.name}, "ready": {"type": "boolean"}}),
        "Live": _object({"live": flag}),
        "Ready": _object({"ready": flag}),
        "InferRequest": _object(
            {
                "id": text,
                "inputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"oneOf": [images, pictures]}},
                "outputs": {"type": "array", "maxItems": len(outputs), "items": wanted},
                "parameters": _object({"binary_data_output": flag}, required=()) | only,
            },
            required=("inputs",),
        ),
        "InferAnswer": _object(
            {
                "model_name": {"const": manifest.name},
                "model_version": {"const": manifest.version},
                "id": text,
                "outputs": {
                    "type": "array",
                    "items": _object(
                        {
                            "name": text,
                            "datatype": {"enum": ["FP32", "INT64", "BYTES"]},
                            "shape": shape,
                            "data": {"type": "array", "items": {"anyOf": [number, text]}},
                            "parameters": _object({"binary_data_size": {"type": "integer"}}),
                        },
                        required=("name", "datatype", "shape"),
                    ),
                },
            },
            required=("model_name", "model_version", "outputs"),
        ),
    }


def _object(properties: Json, required: Iterable[str] | None = None) -> Json:
    needed = list(properties if required is None else required)
    return {"type": "object", "properties": properties, **({"required": needed} if needed else {})}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
