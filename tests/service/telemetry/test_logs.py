"""Log lines are JSON objects, one a line, and hold nothing that a client chose but its request id."""

from __future__ import annotations

import json
import logging

from service.telemetry.logs import CallersFaultFilter, JsonFormatter


def record(message: str, error: Exception | None = None, **extra: object) -> logging.LogRecord:
    """Make a log record as the logging module does."""
    info = (type(error), error, None) if error else None
    made = logging.LogRecord("a.logger", logging.ERROR, "", 0, message, None, info)
    vars(made).update(extra)
    return made


def test_a_record_becomes_one_line_of_json() -> None:
    """Line breaks and quotes in a message cannot forge another line."""
    line = JsonFormatter().format(record('first\n{"level":"info"}', ValueError("boom"), of_request="id-1", status=500))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == 'first\n{"level":"info"}'
    assert (entry["request_id"], entry["status"], entry["level"]) == ("id-1", 500, "error")
    assert "boom" in entry["exception"]


def test_what_a_client_did_wrong_leaves_no_traceback() -> None:
    """BentoML logs a refused body with its content; such records are dropped, real faults are kept."""

    class ValidationError(Exception):
        """As pydantic's is called."""

    assert not CallersFaultFilter().filter(record("Exception on /classify", ValidationError("input_value=[0, 1]")))
    assert CallersFaultFilter().filter(record("Exception on /classify", RuntimeError("a real fault")))
