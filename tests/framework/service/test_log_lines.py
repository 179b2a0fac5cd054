"""Log lines in each form."""

from __future__ import annotations

import io
import json
import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from framework import LogEvent, Secret
from framework.recent_log import RecentLog
from framework.service import LOG_FORMATS, log_handler
from framework.service.line_schema import line_schema


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


VALVE_STUCK = LogEvent("valve.stuck", "%(valves)s: stuck for %(seconds)g s")


def json_line(message: str, *facts: object, error: bool = False) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(line("json", logging.WARNING, message, *facts, error=error))
    Draft202012Validator(line_schema()).validate(document)
    return document


def test_json_tells_the_stable_name_of_a_line_with_its_facts_by_name_and_the_exception() -> None:
    document = json_line(VALVE_STUCK, {"valves": ["one", "two"], "seconds": 2.5}, error=True)
    assert document["event"] == "valve.stuck"
    assert document["facts"] == {"valves": ["one", "two"], "seconds": 2.5}
    assert document["message"] == "one, two: stuck for 2.5 s"
    assert (document["level"], document["logger"]) == ("warning", "example.room")
    assert "ValueError: oh" in document["exception"]
    assert document["time"].endswith("+00:00")


def test_json_of_a_line_without_a_name_has_its_template_and_its_facts_by_place() -> None:
    document = json_line("%s waits for %d", "a\nb", 3)
    assert (document["event"], document["template"]) == (None, "%s waits for %d")
    assert document["facts"] == {"1": "a\nb", "2": 3}
    assert document["message"] == "a\nb waits for 3"
    assert json_line("%(one)s", {"one": 1})["facts"] == {"one": 1}


class Unspeakable:
    def __str__(self) -> str:
        raise ValueError("no words")


@dataclass(frozen=True)
class Fact:
    """A fact that a line may be given, and what JSON has of it."""

    given: object
    shown: object


FACTS = (
    Fact(None, None),
    Fact(True, True),
    Fact(-3, -3),
    Fact(2**70, str(2**70)),
    Fact(math.nan, "nan"),
    Fact(math.inf, "inf"),
    Fact(Path("/a"), "/a"),
    Fact(("a", 1, [None]), ["a", 1, [None]]),
    Fact(MappingProxyType({1: {"b": Path("c")}}), {"1": {"b": "c"}}),
    Fact(ValueError("oh"), "oh"),
    Fact(Secret("tr0ub4dor"), "Secret(****)"),
    Fact("under \ud800 way", "under \ud800 way"),
    Fact(Unspeakable(), "<a Unspeakable whose text cannot be made: ValueError>"),
)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact.given).__name__)
def test_facts_have_the_types_of_json_where_there_are_such(fact: Fact) -> None:
    assert json_line("one fact", {"fact": fact.given})["facts"] == {"fact": fact.shown}


def test_a_fact_that_holds_itself_ends() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert "[" in str(json_line("a ring", {"ring": ring})["facts"]["ring"])


@pytest.mark.parametrize("form", LOG_FORMATS)
def test_no_secret_is_in_a_line_however_deep_it_stands_in_a_fact(form: str) -> None:
    kept = Secret("tr0ub4dor"), Secret("47114711"), Secret('quo"ted')
    facts = {
        "list": ["a", ("b", "is tr0ub4dor")],
        "pin": 47114711,
        "by name": {"tr0ub4dor": {"x": 'a quo"ted one'}},
        "error": ValueError("the password tr0ub4dor"),
    }
    for event, given in (
        (LogEvent("a.b", "%(list)s %(pin)d %(error)r"), (facts,)),
        ("it is tr0ub4dor %s", (facts["list"],)),
        ("%d", (facts["error"],)),
    ):
        written = line(form, logging.ERROR, event, *given)
        assert not [one for one in kept if one.reveal() in written], written
        assert "****" in written


@pytest.mark.parametrize("form", LOG_FORMATS)
@pytest.mark.parametrize(
    ("event", "facts"),
    [
        ("%d valves", ("five",)),
        ("%s and %s", ("one",)),
        (VALVE_STUCK, ({"valves": ["one"]},)),
        (VALVE_STUCK, ({"valves": ["one"], "seconds": Unspeakable()},)),
        (VALVE_STUCK, ()),
    ],
)
def test_no_line_is_lost_because_its_facts_do_not_fit(
    form: str, event: str, facts: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    written = line(form, logging.ERROR, event, *facts)
    assert event.partition("%")[2].partition("s")[0] in written
    assert all(one in written for one in ("five", "one") if one in str(facts))
    assert capsys.readouterr().err == "", "as logging tells of its own failures: with all facts as they are"


def test_the_latest_lines_are_kept_with_their_names_whatever_their_facts() -> None:
    recent = RecentLog()
    for message, facts in ((VALVE_STUCK, ({"valves": ["one"], "seconds": 1},)), ("no %d", ("number",))):
        recent.handle(logging.LogRecord("example.room", logging.ERROR, "", 0, message, facts, None))
    named, other = recent.lines()
    assert named.startswith("[valve.stuck] ")
    assert named.endswith("ERROR MainThread example.room: one: stuck for 1 s")
    assert other.endswith("no %d (1=number)")


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
