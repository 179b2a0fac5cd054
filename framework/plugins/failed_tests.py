"""What failed among the tests of a plugin: noted in the process that runs them, where pytest loads this module."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT_VARIABLE: Final = "GATEWRIGHT_FAILED_TESTS"
"""The environment variable that names the file for the notes, one JSON object in each line."""

_LONGEST_MESSAGE: Final = 1000


class Failure(NamedTuple):
    """A test that failed.

    Attributes:
        test: Its name with those of its classes, or the module that could not be loaded.
        message: What it failed by; no more than its beginning if that is long.
    """

    test: str
    message: str


def read(report: Path) -> Iterator[Failure]:
    """The failures that were noted in a file, which need not be there."""
    if report.exists():
        for line in report.read_text(encoding="utf-8").splitlines():
            noted = json.loads(line)
            yield Failure(noted["test"], noted["message"])


def pytest_runtest_logreport(report: Any) -> None:
    """Note a test, or its set-up or end, that failed."""
    if report.failed:
        name = report.nodeid.partition("::")[2].replace("::", ".")
        _note(name if report.when == "call" else f"{report.when} of {name}", report)


def pytest_collectreport(report: Any) -> None:
    """Note a module that cannot be loaded."""
    if report.failed:
        _note(report.nodeid, report)


def _note(test: str, report: Any) -> None:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = (report.longreprtext if crash is None else crash.message).removeprefix("AssertionError: ")
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]} [...]"
    with Path(os.environ[REPORT_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps({'test': test, 'message': message})}\n")
