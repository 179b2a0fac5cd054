"""What was stored survives: configurations and components' secrets in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from framework.configuration.errors import ConfigurationStoreError
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from framework.sealing import MasterKey

SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE configuration (pid TEXT PRIMARY KEY, revision INTEGER NOT NULL, properties TEXT NOT NULL) STRICT;
CREATE TABLE component_secret (pid TEXT, name TEXT, sealed TEXT NOT NULL, PRIMARY KEY (pid, name)) STRICT;
CREATE TABLE last_revision (revision INTEGER NOT NULL) STRICT;
INSERT INTO last_revision VALUES (0);
"""


@dataclass(frozen=True, slots=True)
class StoredConfiguration:
    """The stored layer of one pid."""

    pid: str
    revision: int
    properties: Mapping[str, Any]


class ConfigurationStore:
    """The gateway's SQLite file (WAL, synchronous FULL): each change is one transaction, durable when a call returns.

    Secrets are sealed, each bound to its pid and property.

    Args:
        path: The file; made (0600) if it is not there.
        key: The master key.

    Raises:
        ConfigurationStoreError: The file is no store, is damaged, or was written by a newer version.
    """

    def __init__(self, path: Path, key: MasterKey) -> None:
        self._path = path
        self._key = key
        self._lock = threading.Lock()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ConfigurationStoreError(
                path,
                f"cannot be used as the store of configurations: {error}. Move it away, or bring a copy back.",
            ) from error
        except ConfigurationStoreError:
            self._connection.close()
            raise

    def load(self) -> dict[str, StoredConfiguration]:
        """All stored configurations by pid.

        Raises:
            SealingError: A secret cannot be opened with this master key.
        """
        with self._lock:
            rows = self._connection.execute("SELECT pid, revision, properties FROM configuration").fetchall()
        return {
            pid: StoredConfiguration(pid, revision, self._decode(pid, properties)) for pid, revision, properties in rows
        }

    def save(self, pid: str, properties: Mapping[str, Any] | None) -> int:
        """Store the properties of a pid, or remove them (None); the new revision of the whole store."""
        encoded = None if properties is None else self._encode(pid, properties)
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            (revision,) = self._connection.execute(
                "UPDATE last_revision SET revision = revision + 1 RETURNING revision"
            ).fetchone()
            if encoded is None:
                self._connection.execute("DELETE FROM configuration WHERE pid = ?", (pid,))
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO configuration VALUES (?, ?, ?)", (pid, revision, encoded)
                )
        return int(revision)

    def component_secrets(self, pid: str) -> StoredSecrets:
        """The secrets that the component `pid` keeps."""
        return StoredSecrets(self, pid)

    def get_secret(self, pid: str, name: str) -> Secret | None:
        """A component's secret, or None."""
        with self._lock:
            row = self._connection.execute(
                "SELECT sealed FROM component_secret WHERE pid = ? AND name = ?", (pid, name)
            ).fetchone()
        return None if row is None else self._key.unseal(row[0], _context("secret", pid, name))

    def set_secret(self, pid: str, name: str, secret: Secret | None) -> None:
        """Store a component's secret, or remove it (None)."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            if secret is None:
                self._connection.execute("DELETE FROM component_secret WHERE pid = ? AND name = ?", (pid, name))
            else:
                sealed = self._key.seal(secret, _context("secret", pid, name))
                self._connection.execute(
                    "INSERT OR REPLACE INTO component_secret VALUES (?, ?, ?)", (pid, name, sealed)
                )

    def close(self) -> None:
        """Close the file; a component that still runs gets errors from then on."""
        with self._lock:
            self._connection.close()

    def _open(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ConfigurationStoreError(
                self._path,
                f"was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}). "
                "Install that version again, or bring a copy from before the upgrade back.",
            )
        if version == 0:
            with self._connection:
                self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def _encode(self, pid: str, properties: Mapping[str, Any]) -> str:
        def plain(name: str, value: Any) -> Any:
            if isinstance(value, Secret):
                return {"$sealed": self._key.seal(value, _context("configuration", pid, name))}
            if isinstance(value, Decimal):
                return {"$decimal": str(value)}
            if isinstance(value, list | tuple):
                return [plain(name, element) for element in value]
            return value

        return json.dumps({name: plain(name, value) for name, value in properties.items()})

    def _decode(self, pid: str, text: str) -> dict[str, Any]:
        def typed(name: str, value: Any) -> Any:
            if isinstance(value, dict):
                if "$sealed" in value:
                    return self._key.unseal(value["$sealed"], _context("configuration", pid, name))
                return Decimal(value["$decimal"])
            if isinstance(value, list):
                return [typed(name, element) for element in value]
            return value

        return {name: typed(name, value) for name, value in json.loads(text).items()}


class StoredSecrets:
    """The secrets of one component, sealed in the store."""

    def __init__(self, store: ConfigurationStore, pid: str) -> None:
        self._store = store
        self._pid = pid

    def get(self, name: str) -> Secret | None:
        """The secret, or None if there is none of that name."""
        return self._store.get_secret(self._pid, name)

    def set(self, name: str, secret: Secret) -> None:
        """Store or replace a secret; durable when this returns."""
        self._store.set_secret(self._pid, name, secret)

    def delete(self, name: str) -> None:
        """Remove a secret; nothing happens if there is none."""
        self._store.set_secret(self._pid, name, None)


def _context(*parts: str) -> str:
    return "\0".join(parts)
