"""The JSON Schema of what `gatewright run --log-format json` writes: each of its lines is valid under it."""

from __future__ import annotations

from typing import Any, Final

from framework.admin.schema import DIALECT, mapping, nullable, record, text

_FACT: Final = {"$ref": "#/$defs/fact"}


def line_schema() -> dict[str, Any]:
    """The schema of one line."""
    event = text(
        "the stable name of such lines; null: a library logged it that gives its lines no names",
        pattern="^[a-z0-9-]+([.][a-z0-9-]+)+$",
    )
    line = record(
        "a log line",
        {
            "time": text("when it was logged (ISO 8601, UTC)", format="date-time"),
            "level": text("how much it matters: debug, info, warning, error, critical, or a library's own"),
            "logger": text("who logged it; gatewright. and a pid: that component"),
            "event": nullable(event),
            "facts": mapping("what it tells of, by stable names; of a line without a name by place, from 1", _FACT),
            "message": text("the line for people, its facts in it; it may change with each version"),
            "thread": nullable(text("the thread's name")),
        },
        {
            "template": text("of a line without a name: its text before its facts were put in"),
            "exception": text("the traceback of the exception that it tells of"),
        },
    )
    fact = {
        "description": "a fact; what is neither a number nor true, false, null, a list or an object is a text",
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"]},
            {"type": "array", "items": _FACT},
            {"type": "object", "additionalProperties": _FACT},
        ],
    }
    head = {"$schema": DIALECT, "$id": "urn:gatewright:log-line", "title": "gatewright run --log-format json"}
    return {**head, **line, "$defs": {"fact": fact}}
