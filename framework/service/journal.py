"""Log lines to journald with their names and facts as fields, over its socket (systemd's Native Journal Protocol)."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import socket
from typing import TYPE_CHECKING, Final, TextIO

from framework.foreign import let_interruption_pass
from framework.log_events import LINES_LOST
from framework.service.log_lines import (
    JOURNAL_SOCKET,
    JOURNAL_TEXT,
    JournalLines,
    TextLines,
    event_of,
    facts_of,
    priority_of,
    traceback_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENTIFIER: Final = "gatewright"
LONGEST_FIELD_NAME: Final = 64
PATIENCE_S: Final = 1.0
"""How long a stream that takes nothing is waited for, in seconds, before lines are lost."""

_LOGGER: Final = "framework.service"
_PREFIX: Final = "GATEWRIGHT_"


class JournalHandler(logging.StreamHandler[TextIO]):
    """Sends each record to journald as fields.

    Where its socket is not there or is full, or a record is too large for a datagram, the record goes to the stream, as
    lines with their priority. Where journald takes nothing from the stream either, since its disk does not answer, it
    is waited for once, for `PATIENCE_S` seconds; then records are counted, and their number is told when it goes on.

    Args:
        stream: The stream that systemd connected with journald.
        address: The path of journald's socket.
    """

    def __init__(self, stream: TextIO, address: str = JOURNAL_SOCKET) -> None:
        super().__init__(stream)
        self.setFormatter(JournalLines())
        self._address = address
        self._socket: socket.socket | None = None
        self._text = TextLines(JOURNAL_TEXT)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or write its lines."""
        if not (self._is_sent(record) or self._is_written(record)):
            self._lost += 1
        elif self._lost:
            facts, self._lost = {"lines": self._lost}, 0
            self.emit(logging.LogRecord(_LOGGER, logging.WARNING, __file__, 0, LINES_LOST, (facts,), None, "emit"))

    def _is_sent(self, record: logging.LogRecord) -> bool:
        try:
            self._send(b"".join(_encoded(name, value) for name, value in self._fields(record)))
        except BaseException as error:  # noqa: BLE001  # whatever is wrong with the socket, or with what foreign code logs
            let_interruption_pass(error)
            return False
        return True

    def _is_written(self, record: logging.LogRecord) -> bool:
        poll = select.poll()
        poll.register(self.stream, select.POLLOUT)
        if not poll.poll(0 if self._lost else PATIENCE_S * 1000):
            return False
        super().emit(record)
        return True

    def close(self) -> None:
        """Close the socket; the stream stays."""
        with self.lock or contextlib.nullcontext():
            if self._socket is not None:
                self._socket.close()
                self._socket = None
        super().close()

    def _send(self, datagram: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._socket.sendto(datagram, self._address)  # by its path each time: journald may have been started anew

    def _fields(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        """The fields of a record (systemd.journal-fields(7)); a list is a field that stands there several times."""
        yield "MESSAGE", self._text.format(record)
        yield "PRIORITY", str(priority_of(record))
        yield "SYSLOG_IDENTIFIER", IDENTIFIER
        yield "LOGGER", record.name
        yield "THREAD_NAME", str(record.threadName)
        yield "CODE_FILE", record.pathname
        yield "CODE_LINE", str(record.lineno)
        yield "CODE_FUNC", str(record.funcName)
        exception = traceback_of(record)
        if exception is not None:
            yield "EXCEPTION_TEXT", exception
        event = event_of(record)
        if event is not None:
            yield f"{_PREFIX}EVENT", event
        for name, fact in facts_of(record).items():
            for value in fact if isinstance(fact, list) else () if fact is None else (fact,):
                yield field_name(name), value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def field_name(fact: str) -> str:
    """The name of the field that has a fact: capital letters, digits and `_`, at most 64 of them."""
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in fact.upper())
    # The name of the line is what programs go by: no fact takes its place.
    return f"{_PREFIX}{'FACT_EVENT' if name == 'EVENT' else name}"[:LONGEST_FIELD_NAME]


def _encoded(name: str, value: str) -> bytes:
    data = value.encode(errors="backslashreplace")
    if b"\n" in data:
        return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%b=%b\n" % (name.encode(), data)
