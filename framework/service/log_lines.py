"""Log lines: as a person reads them, as journald takes them, or as JSON for programs."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from framework.admin.rendering import printable
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT: Final = "text"
JOURNAL: Final = "journal"
JSON: Final = "json"
LOG_FORMATS: Final = (TEXT, JOURNAL, JSON)

_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG: Final = 7


def log_handler(form: str | None, environ: Mapping[str, str], stream: TextIO | None = None) -> logging.Handler:
    """A handler that writes lines of a form.

    Args:
        form: One of `LOG_FORMATS`; None for `journal` where the stream goes to journald, else `text`.
        environ: Says whether it does (`JOURNAL_STREAM`).
        stream: Where to; standard error if None.
    """
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    chosen = form or (JOURNAL if goes_to_journal(environ, out) else TEXT)
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

    In no form of lines are secrets: a component's error may have its password in it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """A record as text, its traceback included."""
        return printable(without_secrets(super().format(record)).expandtabs())


class JournalLines(TextLines):
    """Lines with their priority in front (sd-daemon(3)); journald has the time and the process."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """A record, each of its lines with the priority."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines() or [""])


class JsonLines(logging.Formatter):
    """One JSON object a line.

    `time` (ISO 8601, UTC), `level`, `logger`, `event` (the message before its facts were put in: always the same for
    one kind of event), `facts` (what was put in, as texts), `message`, `thread`, and `exception` where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """A record as JSON."""
        facts = record.args if isinstance(record.args, tuple) else (record.args,) if record.args else ()
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": without_secrets(str(record.msg)),
            "facts": [without_secrets(str(fact)) for fact in facts],
            "message": without_secrets(record.getMessage()),
            "thread": record.threadName,
        }
        if record.exc_info:
            document["exception"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(document, ensure_ascii=False)
