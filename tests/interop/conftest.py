"""What foreign programs answered with, kept while the tests run and shown as a table at their end."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.terminal import TerminalReporter

RecordAnswer: TypeAlias = "Callable[[Answer], None]"


@dataclass(frozen=True, order=True)
class Answer:
    """Who asked whom for what, and what came.

    Attributes:
        asked: The client and the server.
        key: The client's key and the CA's.
        terms: The profile of the client, or what the CA accepts.
        outcome: With which algorithms it answered, and what became of it.
    """

    asked: str
    key: str
    terms: str
    outcome: str


_ANSWERS = pytest.StashKey[list[Answer]]()


@pytest.fixture
def record_answer(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> RecordAnswer:
    """Keeps an answer for the table at the end, and for the report of the run (`--junit-xml`)."""

    def record(answer: Answer) -> None:
        request.config.stash.setdefault(_ANSWERS, []).append(answer)
        record_testsuite_property(f"{answer.asked}: {answer.key}, {answer.terms}", answer.outcome)

    return record


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Show the table; nothing if no test recorded an answer."""
    answers = sorted(set(config.stash.get(_ANSWERS, None) or ()))
    if not answers:
        return
    rows = [("who asked whom", "keys", "terms", "what came"), *(astuple(answer) for answer in answers)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    terminalreporter.write_sep("=", "answers of foreign programs")
    for row in rows:
        *aligned, last = row
        cells = (cell.ljust(width) for cell, width in zip(aligned, widths, strict=True))
        terminalreporter.write_line("  ".join((*cells, last)))
