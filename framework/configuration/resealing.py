"""All that is sealed in the store, sealed under another master key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from framework.configuration.encoding import SEALED, context, decode, encode
from framework.configuration.schema import checksum

if TYPE_CHECKING:
    import sqlite3

    from framework.sealing import MasterKey


def reseal(connection: sqlite3.Connection, old: MasterKey, new: MasterKey) -> None:
    """Do it, in the transaction that is open; SealingError if a secret cannot be opened."""

    def anew(pid: str, text: str) -> str:
        return encode(new, pid, decode(old, pid, text)) if SEALED in text else text

    for table in ("configuration", "change"):
        rows = connection.execute(f"SELECT pid, revision, properties FROM {table}").fetchall()  # noqa: S608  # our own names
        for pid, revision, text in rows:
            if text is not None and SEALED in text:
                sealed = anew(pid, text)
                connection.execute(
                    f"UPDATE {table} SET properties = ?, checksum = ? WHERE pid = ? AND revision = ?",  # noqa: S608  # our own names
                    (sealed, checksum(pid, revision, sealed), pid, revision),
                )
    for pid, name, text in connection.execute("SELECT pid, name, sealed FROM component_secret").fetchall():
        place = context("secret", pid, name)
        row = (new.seal(old.unseal(text, place), place), pid, name)
        connection.execute("UPDATE component_secret SET sealed = ? WHERE pid = ? AND name = ?", row)
    for pid, name, text in connection.execute("SELECT pid, name, sealed FROM taken_secret").fetchall():
        row = (anew(pid, text), pid, name)
        connection.execute("UPDATE taken_secret SET sealed = ? WHERE pid = ? AND name = ?", row)
    for path, layer in connection.execute("SELECT path, properties FROM file_layer").fetchall():
        sealed = json.dumps({pid: anew(pid, text) for pid, text in json.loads(layer).items()})
        connection.execute("UPDATE file_layer SET properties = ? WHERE path = ?", (sealed, path))
    connection.execute("INSERT OR REPLACE INTO setting VALUES ('key_id', ?)", (new.id,))
