"""What was stored at each revision: tables `revision`, `change` and `snapshot`, without locks or transactions.

Only what changes is written, so an update costs the same however many pids there are. What a revision was is put
together from the changes up to it. Pruning takes revisions out of the list and folds their changes into the next
one that is kept; the initial revision and those that a snapshot names are never pruned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from framework.configuration.errors import UnknownRevisionError
from framework.configuration.schema import checksum
from framework.configuration.texts import escaped

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

KEPT: Final = 500
"""Revisions in the history, beside the initial one and those that snapshots name."""

LONGEST_NAME: Final = 100
"""Of a snapshot, in characters."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of the store that one can go back to.

    Attributes:
        at: When it came to be, aware, in UTC.
        cause: What made it, such as "update" or "rollback to 3".
        pids: What it changed.
        snapshots: The names that it was given.
    """

    number: int
    at: datetime
    cause: str
    pids: tuple[str, ...]
    snapshots: tuple[str, ...]


def record(
    connection: sqlite3.Connection, number: int, at: str, cause: str, changes: Mapping[str, str | None], kept: int
) -> None:
    """Write the changes of a new revision, and prune one old one if there are more than `kept`."""
    connection.execute("INSERT INTO revision VALUES (?, ?, ?)", (number, at, escaped(cause)))
    connection.executemany(
        "INSERT INTO change VALUES (?, ?, ?, ?)",
        [(pid, number, text, checksum(pid, number, text)) for pid, text in changes.items()],
    )
    prune(connection, number - kept)


def prune(connection: sqlite3.Connection, horizon: int) -> None:
    """Take revisions up to `horizon` out, at most two at a time, so that an update stays short."""
    rows = connection.execute(
        "SELECT number FROM revision WHERE number <= ? AND number > (SELECT min(number) FROM revision) "
        "AND number NOT IN (SELECT revision FROM snapshot) ORDER BY number LIMIT 2",
        (horizon,),
    ).fetchall()
    for (number,) in rows:
        (before,) = connection.execute("SELECT max(number) FROM revision WHERE number < ?", (number,)).fetchone()
        (after,) = connection.execute("SELECT min(number) FROM revision WHERE number > ?", (number,)).fetchone()
        connection.execute(
            "DELETE FROM change WHERE revision > ? AND revision <= ? "
            "AND pid IN (SELECT pid FROM change WHERE revision > ? AND revision <= ?)",
            (before, number, number, after),
        )
        connection.execute("DELETE FROM revision WHERE number = ?", (number,))


def revisions(connection: sqlite3.Connection) -> tuple[Revision, ...]:
    """All that are kept, newest first."""
    pids: dict[int, list[str]] = {}
    for number, pid in connection.execute("SELECT revision, pid FROM change ORDER BY pid"):
        pids.setdefault(number, []).append(pid)
    names: dict[int, list[str]] = {}
    for number, name in connection.execute("SELECT revision, name FROM snapshot ORDER BY name"):
        names.setdefault(number, []).append(name)
    rows = connection.execute("SELECT number, at, cause FROM revision ORDER BY number DESC").fetchall()
    return tuple(
        Revision(number, datetime.fromisoformat(at), cause, tuple(pids.get(number, ())), tuple(names.get(number, ())))
        for number, at, cause in rows
    )


def number_of(connection: sqlite3.Connection, revision: int | str) -> int:
    """The number of a revision given by number, by its text, or by a snapshot's name.

    Raises:
        UnknownRevisionError: There is none (any more).
    """
    row = connection.execute("SELECT revision FROM snapshot WHERE name = ?", (escaped(str(revision)),)).fetchone()
    if row is None and (isinstance(revision, int) or (revision.isascii() and revision.isdigit())):
        number = min(int(revision), 2**63 - 1)
        row = connection.execute("SELECT number FROM revision WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise UnknownRevisionError(
            revision, "is no revision that is kept, and no snapshot; `gatewright config history` shows those there are"
        )
    return int(row[0])


def state_at(connection: sqlite3.Connection, number: int) -> dict[str, tuple[int, str]]:
    """What was stored at a revision: by pid, the revision of its last change, and its text."""
    return {pid: (revision, text) for pid, revision, text, _ in _last_changes(connection, number) if text is not None}


def damaged(connection: sqlite3.Connection, number: int) -> tuple[str, ...]:
    """The pids whose last change up to a revision is not what was written."""
    rows = _last_changes(connection, number)
    return tuple(pid for pid, revision, text, mark in rows if checksum(pid, revision, text) != mark)


def _last_changes(connection: sqlite3.Connection, number: int) -> list[tuple[str, int, str | None, str]]:
    return connection.execute(
        "SELECT pid, max(revision), properties, checksum FROM change WHERE revision <= ? GROUP BY pid", (number,)
    ).fetchall()


def add_snapshot(connection: sqlite3.Connection, name: str, number: int, at: str) -> None:
    """Give a revision a name, which keeps it from being pruned; a name that is taken is moved."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or name.isdigit():
        raise UnknownRevisionError(
            name[:LONGEST_NAME], f"a snapshot's name has 1 to {LONGEST_NAME} printable characters and is no number"
        )
    connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)", (name, number, at))


def remove_snapshot(connection: sqlite3.Connection, name: str) -> None:
    """Take a name away; UnknownRevisionError if there is none."""
    if connection.execute("DELETE FROM snapshot WHERE name = ?", (escaped(name),)).rowcount == 0:
        raise UnknownRevisionError(name, "is no snapshot")


def timestamp(at: datetime) -> str:
    """A time as the tables have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
