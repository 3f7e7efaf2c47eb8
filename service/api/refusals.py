"""What Triton's clients can ask for and this server does not do: each refused by name, with what to do instead.

Over HTTP with 400, as Triton's documents say of these calls; over gRPC with UNIMPLEMENTED.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from service.api.tensors import INSIDE
from service.errors import RequestError

_TRACE: Final = "set DIGITS_TRACING before the start; it holds for all requests"
_LOG: Final = "set DIGITS_LOG_FORMAT and DIGITS_ACCESS_LOG before the start"
_LOAD: Final = "set DIGITS_REPOSITORY_API and DIGITS_API_KEY before the start, and load over HTTP"
_UNLOAD: Final = "load another version in its place, or end the service"
_STREAM: Final = "one request has one answer here; call ModelInfer"


class Refusal(NamedTuple):
    """A part of Triton's protocol: its paths below /v2/, its gRPC methods, its name, and what to do instead."""

    paths: str
    methods: tuple[str, ...]
    name: str
    remedy: str


REFUSALS: Final = (
    Refusal(
        r"systemsharedmemory(/region/[^/]+)?/(status|register|unregister)",
        ("SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"),
        "system shared memory",
        INSIDE,
    ),
    Refusal(
        r"cudasharedmemory(/region/[^/]+)?/(status|register|unregister)",
        ("CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"),
        "CUDA shared memory",
        INSIDE,
    ),
    Refusal(r"(models/[^/]+/)?trace/setting", ("TraceSetting",), "trace settings", _TRACE),
    Refusal(r"logging", ("LogSettings",), "log settings", _LOG),
    Refusal(r"repository/models/[^/]+/load", ("RepositoryModelLoad",), "loading a model", _LOAD),
    Refusal(r"repository/models/[^/]+/unload", ("RepositoryModelUnload",), "unloading a model", _UNLOAD),
    Refusal(r"(?!)", ("ModelStreamInfer",), "streaming", _STREAM),
)


class Unimplemented(RequestError):
    """No such method of gRPC."""

    status = 501
    code = "unimplemented"


def refused_path(path: str) -> RequestError | None:
    """Return the error of a path that Triton has and this server does not; None for any other."""
    return next(
        (RequestError(_said(one)) for one in REFUSALS if re.fullmatch(rf"/v2/{one.paths}", path, re.DOTALL)), None
    )


def refused_method(method: str) -> Unimplemented | None:
    """Return the error of a gRPC method, by its name alone, that Triton has and this server does not."""
    return next((Unimplemented(_said(one)) for one in REFUSALS if method in one.methods), None)


def _said(refusal: Refusal) -> str:
    return f"this server does not do {refusal.name}: {refusal.remedy}"
