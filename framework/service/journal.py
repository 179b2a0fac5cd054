"""Log lines to journald with their names and facts as fields, over its socket (systemd's Native Journal Protocol)."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
from typing import TYPE_CHECKING, Final, TextIO

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
_PREFIX: Final = "GATEWRIGHT_"


class JournalHandler(logging.StreamHandler[TextIO]):
    """Sends each record to journald as fields.

    Nothing is waited for: where the socket is not there or is full, or a record is too large for a datagram, the record
    goes to the stream, as lines with their priority.

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

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, or write its lines."""
        try:
            self._send(b"".join(_encoded(name, value) for name, value in self._fields(record)))
        except Exception:  # noqa: BLE001  # whatever is wrong with the socket, or with what foreign code logs
            super().emit(record)

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
