"""Log lines in each form."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
from pathlib import Path

import pytest

from framework.service import log_handler

ROOT = Path(__file__).parents[3]


def line(form: str | None, level: int, message: str, *facts: object, error: bool = False) -> str:
    out = io.StringIO()
    raised = ValueError("oh")
    exception = (ValueError, raised, None) if error else None
    log_handler(form, {}, out).handle(logging.LogRecord("example.room", level, "", 0, message, facts, exception))
    return out.getvalue()


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3)]
)
def test_journald_gets_a_priority_on_each_line(level: int, priority: int) -> None:
    assert line("journal", level, "first\nsecond") == f"<{priority}>example.room: first\n<{priority}>second\n"


def test_json_tells_the_event_its_facts_and_the_exception() -> None:
    document = json.loads(line("json", logging.WARNING, "%s waits for %d", "a\nb", 3, error=True))
    assert document["event"] == "%s waits for %d"
    assert document["facts"] == ["a\nb", "3"]
    assert document["message"] == "a\nb waits for 3"
    assert (document["level"], document["logger"]) == ("warning", "example.room")
    assert "ValueError: oh" in document["exception"]
    assert document["time"].endswith("+00:00")


def test_text_is_as_ever() -> None:
    assert line(None, logging.INFO, "hello") == "INFO example.room: hello\n"


def test_a_stream_that_goes_to_journald_is_known(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        journal = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        handler = log_handler(None, journal, stream)
        assert handler.format(logging.LogRecord("a", logging.INFO, "", 0, "b", None, None)) == "<6>a: b"
        other = log_handler(None, {"JOURNAL_STREAM": "1:2"}, stream)
        assert other.format(logging.LogRecord("a", logging.INFO, "", 0, "b", None, None)) == "INFO a: b"


@pytest.mark.parametrize("form", ["text", "journal"])
def test_what_could_steer_a_terminal_is_not_written(form: str) -> None:
    written = line(form, logging.WARNING, "the file %s", "a\x1b[31m\x9b\r.json")
    assert "[31m" in written
    assert not set(written) & set("\x1b\x9b\r")


def test_each_event_of_the_log_has_words_of_its_own() -> None:
    """A message that is nothing but what is put into it would be the same event everywhere."""
    nameless = [
        f"{file}:{call.lineno}"
        for room in ("framework", "components", "metatype")
        for file in (ROOT / room).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("debug", "info", "warning", "error", "exception", "critical")
        and "log" in ast.unparse(call.func.value)
        and call.args
        and not (
            isinstance(event := call.args[0], ast.Constant)
            and re.search(r"[a-z]{3}", re.sub(r"%.", "", str(event.value)))
        )
    ]
    assert nameless == []
