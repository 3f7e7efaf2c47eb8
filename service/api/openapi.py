"""The description of every route, served at /docs.json: OpenAPI 3.1, derived from the routes themselves."""

from __future__ import annotations

import asyncio
import http
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, get_type_hints

from service import __version__
from service.api.schemas import Json, describe_types
from service.contract import FORM, JSON, PICTURE_TYPES
from service.gateway.messages import ErrorAnswer, PlainErrorAnswer, Reply, Request, json_reply
from service.gateway.route import Content, Route, has_plain_errors

DESCRIPTION: Final = (
    "Send a picture, get a digit. `/predict` and `/predict_batch` take picture files, the `/v2` routes are the Open "
    "Inference Protocol: `pictures` are answered as by `/predict`, `images` get the network's own outputs; the `/v1` "
    "routes are KServe's older protocol. Every answer has an `X-Request-ID`, which the caller may choose: printable "
    "ASCII, at most 128."
)
REQUEST_ID: Final = {"X-Request-ID": {"schema": {"type": "string", "maxLength": 128}}}


class Description:
    """The document of some routes, and the route that answers it.

    It is made when it is first asked for, in a thread: it takes tens of milliseconds, which no start should wait for.

    Args:
        routes: all others.
        known: what only the model and the settings know (service/api/schemas.py).
        has_keys: whether there are API keys.
        root_path: path under which a proxy publishes the service.
    """

    def __init__(
        self, routes: Sequence[Route], known: Mapping[str, Json], *, has_keys: bool, root_path: str = ""
    ) -> None:
        self.route = Route(
            "GET", "/docs.json", self._answer, "docs", "page", "This document", {JSON: Any}, is_open=True
        )
        servers: Json = {"servers": [{"url": root_path}]} if root_path else {}
        self._reply = cache(lambda: json_reply(describe([*routes, self.route], known, has_keys=has_keys) | servers))

    async def _answer(self, _: Request) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(None, self._reply)


def describe(routes: Sequence[Route], known: Mapping[str, Json], *, has_keys: bool) -> Json:
    """Write the document of these routes."""
    types: dict[str, Any] = {"": ErrorAnswer, "plain": PlainErrorAnswer}
    for route in routes:
        for part, content in (("answer", route.answer), ("body", route.body or {})):
            types |= {f"{part} {route.name} {kind}": one for kind, one in content.items()}
    schemas, definitions = describe_types(types, known)
    paths: Json = {}
    for route in routes:
        operation = _operation(route, schemas)
        if route.is_operators:
            operation["security"] = [{"operator": []}]
        elif has_keys and not route.is_open:
            operation["security"] = [{"key": []}]
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    components: Json = {"schemas": definitions}
    bearer = {"type": "http", "scheme": "bearer"}
    schemes = {"key": has_keys, "operator": any(route.is_operators for route in routes)}
    if any(schemes.values()):
        components["securitySchemes"] = {name: bearer for name, is_there in schemes.items() if is_there}
    info = {"title": "Handwritten digits", "version": __version__, "description": DESCRIPTION}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


def _operation(route: Route, schemas: Mapping[str, Json]) -> Json:
    error = {JSON: {"schema": schemas["plain" if has_plain_errors(route.path) else ""]}}
    answer = _content(f"answer {route.name}", route.answer, schemas)
    operation: Json = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "responses": {
            "200": {"description": "OK", "content": answer, "headers": REQUEST_ID},
            **{str(status): {"description": http.HTTPStatus(status).phrase} for status in route.other},
            **{
                str(status): {"description": http.HTTPStatus(status).phrase, "content": error, "headers": REQUEST_ID}
                for status in route.statuses
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.needs_body,
            "content": _content(f"body {route.name}", route.body, schemas),
        }
    parameters = [("header", *each) for each in (route.headers or {}).items()]
    if route.tail is not None:
        parameters.append(("path", route.path.rpartition("/")[2].strip("{}"), route.tail))
    if parameters:
        operation["parameters"] = [
            {
                "name": name,
                "in": place,
                "description": text,
                "required": place == "path",
                "schema": {"type": "string", "pattern": pattern},
            }
            for place, name, (text, pattern) in parameters
        ]
    return operation


def _content(key: str, content: Content, schemas: Mapping[str, Json]) -> Json:
    written: Json = {kind: {"schema": schemas[f"{key} {kind}"]} for kind in content}
    if FORM in written:
        part = {"contentType": ", ".join(PICTURE_TYPES)}
        hints = get_type_hints(content[FORM])
        written[FORM]["encoding"] = {name: part for name, kind in hints.items() if kind in (bytes, list[bytes])}
    return written
