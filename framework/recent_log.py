"""The latest log lines, kept in memory for `gatewright diagnostics`."""

from __future__ import annotations

import logging
from collections import deque
from typing import Final

from framework.service.log_lines import TextLines, event_of

MOST_LINES: Final = 2_000
LONGEST_LINE: Final = 4_000
"""Characters of one record, its traceback included."""

_FORMAT: Final = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class RecentLog(logging.Handler):
    """Keeps the latest records as lines, whatever becomes of the log elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self.setFormatter(TextLines(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        name = event_of(record)
        line = self.format(record)
        self._lines.append((line if name is None else f"[{name}] {line}")[:LONGEST_LINE])

    def lines(self) -> tuple[str, ...]:
        """The latest lines, the oldest first."""
        return tuple(self._lines)


def recent_lines() -> tuple[str, ...]:
    """The lines of the `RecentLog` that the root logger has; none if it has none."""
    return next((one.lines() for one in logging.getLogger().handlers if isinstance(one, RecentLog)), ())
