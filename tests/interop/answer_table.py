"""What foreign programs answered with, kept in the reports of the tests and shown as a table at the end of the run."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

PROPERTY: Final = "answer of a foreign program"
"""The property of a test's report. Reports come from all processes that run tests, where nothing else would."""


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


def show_answers(terminal: TerminalReporter) -> None:
    """Show the table; nothing if no test recorded an answer."""
    reports = [report for reports in terminal.stats.values() for report in reports]
    properties = [one for report in reports for one in getattr(report, "user_properties", ())]
    answers = sorted({Answer(*value) for name, value in properties if name == PROPERTY})
    if not answers:
        return
    rows = [("who asked whom", "keys", "terms", "what came"), *(astuple(answer) for answer in answers)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    terminal.write_sep("=", "answers of foreign programs")
    for row in rows:
        *aligned, last = row
        cells = (cell.ljust(width) for cell, width in zip(aligned, widths, strict=True))
        terminal.write_line("  ".join((*cells, last)))
