"""Log lines as JSON objects, one a line, with the id of the request that they belong to."""

from __future__ import annotations

import json
import logging
import time
from typing import Final, Literal

# Attributes of a record, and their names in the line; BentoML's own filter overwrites an attribute `request_id`.
FIELDS: Final = {
    "of_request": "request_id",
    "method": "method",
    "route": "route",
    "status": "status",
    "ms": "duration_ms",
}
LOGGERS: Final = ("", "bentoml", "uvicorn.error")  # those to which BentoML gives a handler


class JsonFormatter(logging.Formatter):
    """Writes time (UTC, RFC 3339), level, logger, message, the FIELDS that a record has, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line: JSON escapes the line breaks that a message or a traceback has."""
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, own) for own, name in FIELDS.items() if hasattr(record, own)},
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


class CallersFaultFilter(logging.Filter):
    """Drops BentoML's log lines about client errors: their traceback quotes the client's input."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep lines about server errors."""
        error = record.exc_info[1] if record.exc_info else None
        status = getattr(getattr(error, "error_code", None), "value", 500)
        return type(error).__name__ != "ValidationError" and status >= 500


def configure_logs(form: Literal["json", "text"]) -> None:
    """Set our format on the handlers that BentoML has just installed, with one line per event."""
    server = logging.getLogger("uvicorn.error")
    server.propagate = False  # BentoML gives the same handler to it and to the root
    server.setLevel(logging.ERROR)  # it warns of each malformed request, with which anyone could fill the disk
    logging.getLogger("bentoml._internal.server.http_app").addFilter(CallersFaultFilter())
    if form == "json":
        for handler in {handler for name in LOGGERS for handler in logging.getLogger(name).handlers}:
            handler.setFormatter(JsonFormatter())
