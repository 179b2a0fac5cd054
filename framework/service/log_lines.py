"""Log lines: as a person reads them, as journald takes them, or as JSON for programs."""

from __future__ import annotations

import copy
import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from framework.admin.rendering import printable
from framework.foreign import let_interruption_pass, text_of
from framework.log_events import LogEvent
from metatype.secret import without_secrets

TEXT: Final = "text"
JOURNAL: Final = "journal"
JSON: Final = "json"
LOG_FORMATS: Final = (TEXT, JOURNAL, JSON)

JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
JOURNAL_TEXT: Final = "%(name)s: %(message)s"

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: Final = 7
_DEEPEST: Final = 5
"""Lists and objects in one another; what is deeper is shown as text."""
_LARGEST: Final = 2**63
_LISTS: Final = frozenset({list, tuple, set, frozenset})


def log_format(form: str | None, environ: Mapping[str, str], stream: TextIO | None = None) -> str:
    """The form of lines: that which is asked for, or else `journal` where the stream goes to journald, or `text`."""
    return form or (JOURNAL if goes_to_journal(environ, stream or sys.stderr) else TEXT)


def log_handler(
    form: str | None, environ: Mapping[str, str], stream: TextIO | None = None, journal: str = JOURNAL_SOCKET
) -> logging.Handler:
    """A handler that writes lines of a form.

    Args:
        form: One of `LOG_FORMATS`, or None: see `log_format`.
        environ: Says whether the stream goes to journald (`JOURNAL_STREAM`); then `journal` lines go to its socket.
        stream: Where to; standard error if None.
        journal: The path of that socket.
    """
    out = sys.stderr if stream is None else stream
    chosen = log_format(form, environ, out)
    if chosen == JOURNAL and goes_to_journal(environ, out):
        from framework.service.journal import JournalHandler  # noqa: PLC0415  # which uses what is here

        return JournalHandler(out, journal)
    handler = logging.StreamHandler(out)
    formatters = {JSON: JsonLines, JOURNAL: JournalLines}
    handler.setFormatter(formatters[chosen]() if chosen in formatters else TextLines(_TEXT_FORMAT))
    return handler


_TEXT_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"


def goes_to_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether a stream is the one that systemd connected with journald (systemd.exec(5), JOURNAL_STREAM)."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


class TextLines(logging.Formatter):
    """Lines for people, without what could steer a terminal.

    In no form of lines are secrets: a component's error may have its password in it. And no line is lost because its
    facts do not fit, or cannot be shown.
    """

    def format(self, record: logging.LogRecord) -> str:
        """A record as text, its traceback included."""
        try:
            text = super().format(record)
        except BaseException as error:  # noqa: BLE001  # foreign code makes texts of what it logs
            let_interruption_pass(error)
            text = super().format(_as_it_is(record))
        return printable(without_secrets(text).expandtabs())


class JournalLines(TextLines):
    """Lines with their priority in front (sd-daemon(3)); journald has the time and the process."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """A record, each of its lines with the priority."""
        priority = priority_of(record)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines() or [""])


class JsonLines(logging.Formatter):
    """One JSON object a line, under the schema that `gatewright schema run` prints."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as JSON."""
        event = event_of(record)
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": event,
            "facts": facts_of(record),
            "message": message_of(record),
            "thread": record.threadName,
        }
        if event is None:
            document["template"] = without_secrets(text_of(record.msg))
        exception = traceback_of(record)
        if exception is not None:
            document["exception"] = exception
        return json.dumps(document, ensure_ascii=False)


def event_of(record: logging.LogRecord) -> str | None:
    """The stable name of a line, or None: it was logged with a format of its own, as other people's libraries do."""
    return record.msg.name if isinstance(record.msg, LogEvent) else None


def facts_of(record: logging.LogRecord) -> dict[str, object]:
    """What was put into a line, by name, or by position from "1" where it has no names; JSON's types, no secrets."""
    given: Any = record.args
    if isinstance(given, tuple) and len(given) == 1 and isinstance(given[0], Mapping):
        given = given[0]  # logging leaves an empty mapping there
    if not isinstance(given, Mapping):
        places = given if isinstance(given, tuple) else (given,) if given else ()
        given = {str(place): fact for place, fact in enumerate(places, 1)}
    return {without_secrets(text_of(name)): _plain(fact, _DEEPEST) for name, fact in given.items()}


def message_of(record: logging.LogRecord) -> str:
    """The text of a line with its facts, without secrets, whatever its facts are."""
    try:
        return without_secrets(record.getMessage())
    except BaseException as error:  # noqa: BLE001  # foreign code makes texts of what it logs
        let_interruption_pass(error)
        return without_secrets(_as_it_is(record).getMessage())


def traceback_of(record: logging.LogRecord) -> str | None:
    """The traceback of the exception that a line tells of, without secrets; None if it tells of none."""
    if not record.exc_info or record.exc_info[0] is None:
        return None
    return without_secrets(logging.Formatter().formatException(record.exc_info))


def priority_of(record: logging.LogRecord) -> int:
    """The priority of syslog(3), from 2 (critical) to 7 (debug)."""
    return next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)


def _as_it_is(record: logging.LogRecord) -> logging.LogRecord:
    """The same line with its facts behind its text, for one whose facts do not fit."""
    facts = ", ".join(f"{name}={fact}" for name, fact in facts_of(record).items())
    other = copy.copy(record)
    other.msg, other.args = f"{text_of(record.msg)} ({facts})", None
    return other


def _plain(fact: Any, depth: int) -> object:
    """A fact as JSON has it; what JSON has no type for as text."""
    if fact is None or isinstance(fact, bool):
        return fact
    try:
        if depth and isinstance(fact, Mapping):
            return {without_secrets(text_of(name)): _plain(one, depth - 1) for name, one in fact.items()}
        if depth and type(fact) in _LISTS:  # not what is derived of them: a `Record` is a tuple, too
            return [_plain(one, depth - 1) for one in fact]
    except BaseException as error:  # noqa: BLE001  # a foreign mapping may raise, and any may be changed meanwhile
        let_interruption_pass(error)
    text = text_of(fact)
    shown = without_secrets(text)
    is_number = isinstance(fact, int | float) and abs(fact) < _LARGEST  # false for what is no number, too
    return fact if is_number and shown == text else shown
