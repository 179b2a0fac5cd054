"""Log lines as journald takes them, read at a real socket as systemd's Native Journal Protocol says."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from framework import LogEvent, Secret
from framework.service import log_handler
from framework.service.journal import field_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALVE_STUCK = LogEvent("valve.stuck", "%(valves)s: stuck for %(seconds)g s")


@dataclass
class Journal:
    """Where journald listens, and the stream that goes to it, too."""

    path: Path
    stream: Path
    handler: logging.Handler
    listening: socket.socket

    def log(self, level: int, message: str, *facts: object, error: BaseException | None = None) -> None:
        exception = None if error is None else (type(error), error, error.__traceback__)
        record = logging.LogRecord("example.room", level, "/src/room.py", 17, message, facts, exception, "turn")
        self.handler.handle(record)

    def heard(self) -> dict[str, list[str]]:
        """The fields of the next record."""
        return parsed(self.listening.recv(1 << 20))

    def written(self) -> str:
        return self.stream.read_text()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    path, file = tmp_path / "socket", tmp_path / "stream"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening, file.open("w") as stream:
        listening.bind(str(path))
        listening.setblocking(False)
        status = os.fstat(stream.fileno())
        handler = log_handler(None, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, stream, str(path))
        yield Journal(path, file, handler, listening)
        handler.close()


def parsed(datagram: bytes) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    while datagram:
        head, _, datagram = datagram.partition(b"\n")
        name, separator, value = head.partition(b"=")
        if not separator:
            length, datagram = int.from_bytes(datagram[:8], "little"), datagram[8:]
            value, end, datagram = datagram[:length], datagram[length : length + 1], datagram[length + 1 :]
            assert end == b"\n"
        fields.setdefault(name.decode(), []).append(value.decode())
    return fields


def test_a_line_has_its_name_its_facts_and_where_it_is_from_as_fields(journal: Journal) -> None:
    journal.log(logging.WARNING, VALVE_STUCK, {"valves": ["one", "two"], "seconds": 2.5, "at_fault": None})
    assert journal.heard() == {
        "MESSAGE": ["example.room: one, two: stuck for 2.5 s"],
        "PRIORITY": ["4"],
        "SYSLOG_IDENTIFIER": ["gatewright"],
        "LOGGER": ["example.room"],
        "THREAD_NAME": ["MainThread"],
        "CODE_FILE": ["/src/room.py"],
        "CODE_LINE": ["17"],
        "CODE_FUNC": ["turn"],
        "GATEWRIGHT_EVENT": ["valve.stuck"],
        "GATEWRIGHT_VALVES": ["one", "two"],
        "GATEWRIGHT_SECONDS": ["2.5"],
    }
    assert journal.written() == ""


def test_texts_of_several_lines_and_tracebacks_are_whole(journal: Journal) -> None:
    with pytest.raises(ValueError, match="oh") as raised:
        int("oh")
    facts = {"valves": "a\nGATEWRIGHT_EVENT=b.c\n", "seconds": 1}
    journal.log(logging.ERROR, VALVE_STUCK, facts, error=raised.value)
    heard = journal.heard()
    assert heard["GATEWRIGHT_EVENT"] == ["valve.stuck"]
    assert heard["GATEWRIGHT_VALVES"] == ["a\nGATEWRIGHT_EVENT=b.c\n"]
    assert re.fullmatch(r"Traceback.*\nValueError: .*oh'", heard["EXCEPTION_TEXT"][0], re.DOTALL)
    assert heard["MESSAGE"][0].endswith(f": stuck for 1 s\n{heard['EXCEPTION_TEXT'][0]}")


def test_a_line_without_a_name_has_its_facts_by_place(journal: Journal) -> None:
    journal.log(logging.INFO, "%s waits for %s", "a", {"b": [1]})
    heard = journal.heard()
    assert heard["MESSAGE"] == ["example.room: a waits for {'b': [1]}"]
    assert (heard["GATEWRIGHT_1"], heard["GATEWRIGHT_2"]) == (["a"], ['{"b": [1]}'])
    assert "GATEWRIGHT_EVENT" not in heard


def test_no_secret_and_nothing_that_steers_a_terminal_is_sent(journal: Journal) -> None:
    kept = Secret("tr0ub4dor")
    facts = {"valves": ["\x1b[31mred", f"is {kept.reveal()}"], "seconds": 1}
    journal.log(logging.ERROR, VALVE_STUCK, facts, error=ValueError(f"not {kept.reveal()}"))
    heard = journal.heard()
    assert kept.reveal() not in str(heard)
    assert heard["GATEWRIGHT_VALVES"][1] == "is ****"
    assert "\x1b" not in heard["MESSAGE"][0]


def test_a_fact_does_not_take_the_place_of_the_name(journal: Journal) -> None:
    journal.log(logging.ERROR, VALVE_STUCK, {"event": "other.one", "valves": "x", "seconds": 1})
    assert journal.heard()["GATEWRIGHT_EVENT"] == ["valve.stuck"]


@pytest.mark.parametrize(
    "fact", ["pid", "Event", "eVent", "a b=c\n", "\N{LATIN SMALL LETTER SHARP S}" * 80, "_", "1", ""]
)
def test_every_fact_has_a_name_that_journald_takes(fact: str) -> None:
    assert re.fullmatch(r"GATEWRIGHT_[A-Z0-9_]{0,53}", field_name(fact))
    assert field_name(fact) != "GATEWRIGHT_EVENT"


def test_where_journald_does_not_listen_lines_go_to_the_stream(journal: Journal) -> None:
    journal.path.rename(journal.path.with_name("elsewhere"))
    journal.log(logging.ERROR, VALVE_STUCK, {"valves": "x\ny", "seconds": 1})
    assert journal.written() == "<3>example.room: x\n<3>y: stuck for 1 s\n"
    journal.path.with_name("elsewhere").rename(journal.path)
    journal.log(logging.ERROR, "again")
    assert journal.heard()["MESSAGE"] == ["example.room: again"]


def test_a_line_that_is_too_large_for_a_datagram_goes_to_the_stream(journal: Journal) -> None:
    big = " ".join(map(str, range(150_000)))  # which, unlike one letter again and again, no other test has for a secret
    journal.log(logging.ERROR, "big: %s", big)
    assert journal.written() == f"<3>example.room: big: {big}\n"


def test_nobody_waits_for_a_journald_that_takes_nothing(journal: Journal) -> None:
    sent = 0
    while not journal.written():
        journal.log(logging.INFO, "line %d", sent)
        sent += 1
    assert journal.written() == f"<6>example.room: line {sent - 1}\n"
    heard = [journal.heard()["GATEWRIGHT_1"] for _ in range(sent - 1)]
    assert heard == [[str(number)] for number in range(sent - 1)], "no line is lost, none comes twice"


def test_a_journald_that_stands_still_keeps_nobody_and_tells_how_many_lines_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framework.service.journal.PATIENCE_S", 0)
    ours, its = socket.socketpair()
    with ours, its, ours.makefile("w") as stream:
        status = os.fstat(ours.fileno())
        address = str(tmp_path / "not there")
        handler = log_handler(None, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}, stream, address)
        logged = 5_000
        for number in range(logged):
            handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "line %d", (number,), None))
        its.settimeout(0.0)
        written = read_all(its).splitlines()
        assert written == [f"<6>a: line {number}" for number in range(len(written))]
        handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "it goes on", (), None))
        lost = f"<4>framework.service: journald took nothing for a while: {logged - len(written)} log lines are lost"
        assert read_all(its).splitlines() == ["<6>a: it goes on", lost]
        handler.close()


def read_all(stream: socket.socket) -> str:
    parts: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            parts.append(stream.recv(1 << 20))
    return b"".join(parts).decode()


def test_no_line_is_lost_without_a_descriptor_for_the_socket(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("framework.service.journal.socket.socket", none_left)
        journal.log(logging.ERROR, "first")
    journal.log(logging.ERROR, "second")
    assert journal.written() == "<3>example.room: first\n"
    assert journal.heard()["MESSAGE"] == ["example.room: second"]


def test_lines_for_journald_that_do_not_go_there_are_written_as_text(tmp_path: Path) -> None:
    handler = log_handler("journal", {}, sys.stderr, str(tmp_path / "socket"))
    assert handler.format(logging.LogRecord("a", logging.INFO, "", 0, "b", None, None)) == "<6>a: b"
    assert type(handler) is logging.StreamHandler
