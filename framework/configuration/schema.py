"""The tables of the store, by version; an older file is brought forward when it is opened, in one transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

SCHEMA_VERSION: Final = 2
"""What this version writes. A file of a newer one is refused: it may hold what would be lost here."""

BEFORE_HISTORY: Final = "before history was kept"
INITIAL: Final = "initial"

_VERSION_1: Final = """
CREATE TABLE configuration (pid TEXT PRIMARY KEY, revision INTEGER NOT NULL, properties TEXT NOT NULL) STRICT;
CREATE TABLE component_secret (pid TEXT, name TEXT, sealed TEXT NOT NULL, PRIMARY KEY (pid, name)) STRICT;
CREATE TABLE last_revision (revision INTEGER NOT NULL) STRICT;
INSERT INTO last_revision VALUES (0);
"""

# Of `change`, the row of a pid with the highest number up to N is what it was at revision N; no properties: nothing.
_VERSION_2: Final = """
ALTER TABLE configuration ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
CREATE TABLE revision (number INTEGER PRIMARY KEY, at TEXT NOT NULL, cause TEXT NOT NULL) STRICT;
CREATE TABLE change (
    pid TEXT NOT NULL, revision INTEGER NOT NULL, properties TEXT, checksum TEXT NOT NULL, PRIMARY KEY (pid, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX change_by_revision ON change (revision);
CREATE TABLE snapshot (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, at TEXT NOT NULL) STRICT;
CREATE TABLE read_only (pid TEXT PRIMARY KEY) STRICT;
CREATE TABLE file_layer (path TEXT PRIMARY KEY, properties TEXT NOT NULL) STRICT;
CREATE TABLE taken_secret (pid TEXT, name TEXT, sealed TEXT NOT NULL, PRIMARY KEY (pid, name)) STRICT;
CREATE TABLE notice (number INTEGER PRIMARY KEY, at TEXT NOT NULL, message TEXT NOT NULL) STRICT;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


def checksum(pid: str, revision: int, properties: str | None) -> str:
    """What shows that a row has been damaged; who means harm is kept out by the file's mode and the sealing."""
    text = f"{pid}\0{revision}\0{properties}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def bring_forward(connection: sqlite3.Connection, version: int, at: str) -> None:
    """Make the tables of `SCHEMA_VERSION` from those of `version` (0: none), in the transaction that is open.

    Args:
        connection: The store's, in a transaction.
        version: What the file has.
        at: The time, as it is to stand in the history.
    """
    if version < 1:
        _execute(connection, _VERSION_1)
    if version < 2:
        _execute(connection, _VERSION_2)
        _begin_history(connection, at)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _begin_history(connection: sqlite3.Connection, at: str) -> None:
    """What is stored now is the initial revision, to which one can always go back."""
    (last,) = connection.execute("SELECT revision FROM last_revision").fetchone()
    rows = connection.execute("SELECT pid, revision, properties FROM configuration").fetchall()
    for pid, revision, properties in rows:
        mark = checksum(pid, revision, properties)
        connection.execute("UPDATE configuration SET checksum = ? WHERE pid = ?", (mark, pid))
        connection.execute("INSERT INTO change VALUES (?, ?, ?, ?)", (pid, revision, properties, mark))
    connection.execute("INSERT INTO revision VALUES (?, ?, ?)", (last, at, BEFORE_HISTORY if last else INITIAL))
    connection.execute("DROP TABLE last_revision")


def _execute(connection: sqlite3.Connection, script: str) -> None:
    # Not `executescript`: it would commit first, and a crash could leave half of the tables.
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)
