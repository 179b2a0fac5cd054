"""The names of log lines: a contract for programs that watch logs, which every log call of ours keeps to."""

from __future__ import annotations

import ast
import copy
import importlib
import logging
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from framework import LogEvent
from framework.log_events import known_log_events

ROOT = Path(__file__).parents[2]
CATALOGUES = ("framework.log_events", "components.keystore.log_events", "components.scep.log_events")
LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
TELLING = ("tell", "driver.step")
"""What else takes an event and its facts, and logs them: of `gatewright run`, and of the enrolment."""


def events_of(catalogue: str) -> dict[str, tuple[LogEvent, ...]]:
    """The constants of a catalogue, each with the events that it stands for."""
    found: dict[str, tuple[LogEvent, ...]] = {}
    for name, value in vars(importlib.import_module(catalogue)).items():
        if isinstance(value, LogEvent):
            found[name] = (value,)
        elif isinstance(value, Mapping) and name.isupper():
            found[name] = tuple(value.values())
    return found


EVENTS = {catalogue: events_of(catalogue) for catalogue in CATALOGUES}
ALL = [event for constants in EVENTS.values() for events in constants.values() for event in events]


@dataclass(frozen=True)
class LogCall:
    """A place in our code where a line is logged."""

    catalogue: str
    place: str
    event: ast.expr
    facts: ast.expr | None

    @property
    def constants(self) -> list[str]:
        """The names of the constants that the event may be."""
        choices = [self.event.body, self.event.orelse] if isinstance(self.event, ast.IfExp) else [self.event]
        values = [one.value if isinstance(one, ast.Subscript) else one for one in choices]
        return [ast.unparse(one) for one in values]


def log_calls() -> Iterator[LogCall]:
    for room in ("framework", "components", "metatype"):
        for file in (ROOT / room).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            catalogue = next((one for one in CATALOGUES if name.startswith(one.removesuffix("log_events"))), "")
            tree = ast.parse(file.read_text("utf-8"))
            for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
                callee = ast.unparse(call.func)
                logger, _, method = callee.rpartition(".")
                if callee in TELLING or ("log" in logger and method in LEVELS):
                    arguments = call.args[1:] if method == "log" else call.args
                    facts = arguments[1] if len(arguments) > 1 else None
                    if isinstance(facts, ast.Name):
                        facts = assigned_before(tree, facts.id, call.lineno) or facts
                    yield LogCall(catalogue, f"{file}:{call.lineno}", arguments[0], facts)


def assigned_before(tree: ast.AST, name: str, line: int) -> ast.expr | None:
    """What was assigned to a local name last, above a line."""
    found = {
        one.lineno: one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Assign) and one.lineno < line and ast.unparse(one.targets[0]) == name
    }
    return found[max(found)] if found else None


def given_by(call: LogCall) -> set[str] | None:
    """The names of the facts that a call gives; None if they cannot be read off it."""
    if call.facts is None:
        return set()
    if not isinstance(call.facts, ast.Dict):
        return None
    return {str(key.value) if isinstance(key, ast.Constant) else "?" for key in call.facts.keys}


CALLS = [call for call in log_calls() if ast.unparse(call.event) != "event"]  # `EnrolmentDriver.step` hands it on


def test_every_log_call_has_a_name_of_its_rooms_catalogue() -> None:
    nameless = [call.place for call in CALLS if not set(call.constants) <= EVENTS.get(call.catalogue, {}).keys()]
    assert nameless == []
    assert len(CALLS) > 80


def test_every_log_call_gives_the_facts_of_its_event_and_no_others() -> None:
    wrong = [
        (call.place, event.name, given)
        for call in CALLS
        for given in [given_by(call)]
        for constant in call.constants
        for event in EVENTS[call.catalogue].get(constant, ())
        if given != set(event.facts)
    ]
    assert wrong == []


def test_every_event_of_a_catalogue_is_logged() -> None:
    logged = {(call.catalogue, constant) for call in CALLS for constant in call.constants}
    logged.add(("framework.log_events", "LINES_LOST"))  # by the handler of log lines itself
    assert logged == {(catalogue, constant) for catalogue in CATALOGUES for constant in EVENTS[catalogue]}


def test_names_are_unique_and_each_has_words_of_its_own() -> None:
    names = [event.name for event in ALL]
    assert len(set(names)) == len(names)
    assert [event.name for event in ALL if not re.search(r"[a-z]{3}", re.sub(r"%\(\w+\)\S*", "", event))] == []


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.name)
def test_every_template_takes_its_facts(event: LogEvent) -> None:
    assert re.fullmatch(r"[a-z0-9-]+([.][a-z0-9-]+)+", event.name)
    facts = set(event.facts)
    assert all(re.fullmatch(r"[a-z][a-z_]{1,40}", fact) for fact in facts)
    assert "event" not in facts
    shown = event % dict.fromkeys(facts, 7) if facts else event
    assert "%" not in shown


@pytest.mark.parametrize(
    "name", ["", "valve", "valve.", ".stuck", "Valve.stuck", "valve stuck.x", "v..x", "v.-x", "v.ä"]
)
def test_a_name_that_programs_could_not_go_by_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a log line"):
        LogEvent(name, "text")


def test_the_standard_library_shows_the_text_with_its_facts(caplog: pytest.LogCaptureFixture) -> None:
    log, event = logging.getLogger("example"), LogEvent("valve.stuck", "%(valves)s: stuck for %(seconds)g s")
    log.warning(event, {"valves": ["one", "two"], "seconds": 2.50})
    log.warning(LogEvent("valve.all-well", "100 % of them move"))
    log.warning(LogEvent("valve.all-well", "all of them move"), {})
    assert caplog.messages == ["one, two: stuck for 2.5 s", "100 % of them move", "all of them move"]


def test_a_copy_of_an_event_is_the_same_event() -> None:
    event = LogEvent("valve.stuck", "%(valve)s")
    for other in (copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
        assert (type(other), other.name, other) == (LogEvent, event.name, event)


def test_an_operator_finds_the_names_of_a_plugins_lines_as_long_as_it_is_there() -> None:
    event = LogEvent("valve.stuck-shut", "the valve %(valve)s has not moved for %(seconds)g s, says %(valve)s")
    assert event in known_log_events()
    assert event.facts == ("valve", "seconds")
    names = [one.name for one in known_log_events()]
    assert names == sorted(names)
    del event
    assert "valve.stuck-shut" not in [one.name for one in known_log_events()]
