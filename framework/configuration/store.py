"""What was stored survives: configurations, their history and components' secrets in one SQLite file."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.clock import Clock, SystemClock
from framework.configuration import encoding, history, resealing
from framework.configuration.errors import ConfigurationStoreError, DamagedStoreError
from framework.configuration.schema import SCHEMA_VERSION, bring_forward, checksum
from framework.sealing import SealingError
from framework.storage import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from framework.configuration.history import Revision
    from framework.sealing import MasterKey
    from metatype import Secret

_NO_TEXT: Final = "a text in it is damaged. Move it away, or bring a copy back."
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""The last one is what a damaged schema comes to, such as a column without its name."""


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
        clock: Where the history gets its times from; the system's clock if None.
        history_kept: How many revisions the history keeps, beside the initial one and those with a snapshot.

    Raises:
        DamagedStoreError: The file is no store, or is damaged.
        ConfigurationStoreError: It was written by a newer version, or cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        key: MasterKey,
        clock: Clock | None = None,
        *,
        history_kept: int = history.KEPT,
    ) -> None:
        self._path = path
        self._key = key
        self._clock = clock or SystemClock()
        self._history_kept = history_kept
        self._lock = threading.Lock()
        self.changed: Callable[[], None] = lambda: None
        """Called after each change is durable; must be quick."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._told("cannot be used as the store of configurations"):
                self._open()
        except ConfigurationStoreError:
            self._connection.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def load(self) -> dict[str, StoredConfiguration]:
        """All stored configurations by pid.

        Raises:
            DamagedStoreError: A row is not what was written.
            SealingError: A secret cannot be opened with this master key.
        """
        with self._lock, self._told("cannot be read"):
            key = self._key
            rows = self._connection.execute("SELECT pid, revision, properties, checksum FROM configuration").fetchall()
        for pid, revision, text, mark in rows:
            if not all(isinstance(one, str) for one in (pid, text)) or checksum(pid, revision, text) != mark:
                raise DamagedStoreError(self._path, f"what is stored for {pid} is damaged")
        return {
            pid: StoredConfiguration(pid, revision, MappingProxyType(encoding.decode(key, pid, text)))
            for pid, revision, text, _ in rows
        }

    def check(self) -> None:
        """Read all that a start needs.

        Raises:
            DamagedStoreError: Something is not what was written.
            SealingError: As for `load`.
        """
        reads = (self.load, self.remembered_files, self._secrets, self.read_only, self.notices, self.history)
        for read in reads:
            try:
                read()
            except SealingError as error:
                if self.key_id() != self._key.id:
                    raise
                raise DamagedStoreError(self._path, f"is damaged, for its master key is there: {error}") from error
            except (ValueError, TypeError, AttributeError) as error:
                what = read.__name__.strip("_").replace("_", " ")
                raise DamagedStoreError(self._path, f"has {what} that cannot be read") from error

    @property
    def revision(self) -> int:
        """The number of the last change; 0 if there was none."""
        with self._lock, self._told("cannot be read"):
            return self._last_revision()

    def save(self, pid: str, properties: Mapping[str, Any] | None) -> int:
        """Store the properties of a pid, or remove them (None); the new revision of the whole store."""
        return self.commit({pid: properties})

    def commit(
        self,
        changes: Mapping[str, Mapping[str, Any] | None],
        cause: str = "update",
        *,
        taken: Mapping[tuple[str, str], Any] | None = None,
    ) -> int:
        """Store the properties of several pids, or remove them (None), all or nothing; the new revision.

        Args:
            changes: By pid.
            cause: What the history is to say.
            taken: Secrets of files, by pid and property, that are among the changes; see `taken_secret`.

        Raises:
            ConfigurationStoreError: They could not be stored; what was stored before still is.
        """
        with self._transaction() as connection:
            encoded = {
                pid: None if properties is None else encoding.encode(self._key, pid, properties)
                for pid, properties in changes.items()
            }
            revision = self._last_revision() + 1
            for pid, text in encoded.items():
                if text is None:
                    connection.execute("DELETE FROM configuration WHERE pid = ?", (pid,))
                    connection.execute("DELETE FROM read_only WHERE pid = ?", (pid,))
                else:
                    mark = checksum(pid, revision, text)
                    connection.execute(
                        "INSERT OR REPLACE INTO configuration VALUES (?, ?, ?, ?)", (pid, revision, text, mark)
                    )
            for (pid, name), value in (taken or {}).items():
                row = (pid, name, encoding.encode(self._key, pid, {name: value}))
                connection.execute("INSERT OR REPLACE INTO taken_secret VALUES (?, ?, ?)", row)
            history.record(connection, revision, self._now(), cause, encoded, self._history_kept)
        return revision

    def taken_secret(self, pid: str, name: str) -> Any:
        """The secret of a property that was last taken over from a file, or None."""
        with self._lock, self._told("cannot be read"):
            key = self._key
            row = self._connection.execute(
                "SELECT sealed FROM taken_secret WHERE pid = ? AND name = ?", (pid, name)
            ).fetchone()
        return None if row is None else encoding.decode(key, pid, row[0])[name]

    def _secrets(self) -> list[Secret]:
        """All secrets of components, and those that were last taken over from files."""
        with self._lock, self._told("cannot be read"):
            key = self._key
            own = self._connection.execute("SELECT pid, name, sealed FROM component_secret").fetchall()
            taken = self._connection.execute("SELECT pid, name, sealed FROM taken_secret").fetchall()
        found = [key.unseal(sealed, encoding.context("secret", pid, name)) for pid, name, sealed in own]
        return found + [encoding.decode(key, pid, sealed)[name] for pid, name, sealed in taken]

    def remembered_files(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What configuration files last said that could be used: by file name, by pid."""
        with self._lock, self._told("cannot be read"):
            key = self._key
            rows = self._connection.execute("SELECT path, properties FROM file_layer").fetchall()
        return {
            name: {pid: encoding.decode(key, pid, text) for pid, text in json.loads(layer).items()}
            for name, layer in rows
        }

    def remember_files(self, files: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Keep what configuration files say, for a start at which one of them cannot be used."""
        with self._transaction() as connection:
            rows = [
                (name, json.dumps({pid: encoding.encode(self._key, pid, one) for pid, one in layer.items()}))
                for name, layer in files.items()
            ]
            connection.execute("DELETE FROM file_layer")
            connection.executemany("INSERT INTO file_layer VALUES (?, ?)", rows)

    def history(self) -> tuple[Revision, ...]:
        """The revisions that one can go back to, newest first."""
        with self._lock, self._told("cannot be read"):
            return history.revisions(self._connection)

    def state_at(self, revision: int | str) -> tuple[int, dict[str, StoredConfiguration]]:
        """The number of a revision or snapshot, and what was stored then.

        Raises:
            UnknownRevisionError: There is none (any more).
            SealingError: A secret cannot be opened with this master key.
        """
        with self._lock, self._told("cannot be read"):
            key = self._key
            number = history.number_of(self._connection, revision)
            rows = history.state_at(self._connection, number)
            damaged = history.damaged(self._connection, number)
        if damaged:
            raise DamagedStoreError(self._path, f"the history of {', '.join(damaged)} is damaged at revision {number}")
        return number, {
            pid: StoredConfiguration(pid, changed, MappingProxyType(encoding.decode(key, pid, text)))
            for pid, (changed, text) in rows.items()
        }

    def add_snapshot(self, name: str, revision: int | str | None = None) -> int:
        """Give a revision (None: the last) a name, which keeps it from being pruned; its number.

        Raises:
            UnknownRevisionError: There is no such revision, or the name is none.
        """
        with self._transaction() as connection:
            number = self._last_revision() if revision is None else history.number_of(connection, revision)
            history.add_snapshot(connection, name, number, self._now())
        return number

    def remove_snapshot(self, name: str) -> None:
        """Take a name away; UnknownRevisionError if there is none."""
        with self._transaction() as connection:
            history.remove_snapshot(connection, name)

    def read_only(self) -> frozenset[str]:
        """The pids that cannot be changed."""
        with self._lock, self._told("cannot be read"):
            return frozenset(pid for (pid,) in self._connection.execute("SELECT pid FROM read_only"))

    def set_read_only(self, pid: str, read_only: bool) -> None:
        """Keep a pid from being changed, or no more."""
        with self._transaction() as connection:
            if read_only:
                connection.execute("INSERT OR IGNORE INTO read_only VALUES (?)", (pid,))
            else:
                connection.execute("DELETE FROM read_only WHERE pid = ?", (pid,))

    def notices(self) -> tuple[str, ...]:
        """What was repaired and not yet acknowledged, oldest first."""
        with self._lock, self._told("cannot be read"):
            rows = self._connection.execute("SELECT at, message FROM notice ORDER BY number").fetchall()
        return tuple(f"{at}: {message}" for at, message in rows)

    def add_notice(self, message: str) -> None:
        """Have something told until it is acknowledged."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO notice (at, message) VALUES (?, ?)", (self._now(), message))

    def acknowledge(self) -> None:
        """Tell no more what was told so far."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM notice")

    def copy_to(self, path: Path) -> None:
        """Put a checked copy of the file at `path`, durable when this returns; the old copy stays if that fails.

        Raises:
            ConfigurationStoreError: It cannot be read.
            OSError: It cannot be written.
        """
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            copy = Path(scratch) / path.name
            with self._told("cannot be copied"), contextlib.ExitStack() as opened:
                source = opened.enter_context(contextlib.closing(sqlite3.connect(self._path)))
                target = opened.enter_context(contextlib.closing(sqlite3.connect(copy)))
                source.backup(target)
                if target.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
                    raise DamagedStoreError(self._path, "is damaged")
            replace_file(path, copy.read_bytes())

    def key_id(self) -> str | None:
        """The id of the master key that secrets are sealed under, as far as that is written down."""
        with self._lock, self._told("cannot be read"):
            row = self._connection.execute("SELECT value FROM setting WHERE name = 'key_id'").fetchone()
        return None if row is None else str(row[0])

    def note_key(self) -> None:
        """Write down which master key this is."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES ('key_id', ?)", (self._key.id,))

    def reseal(self, key: MasterKey) -> None:
        """Seal all secrets, also those of the history, under another master key, all or none.

        Raises:
            SealingError: A secret cannot be opened; nothing is changed.
            ConfigurationStoreError: It could not be stored; nothing is changed.
        """
        with self._transaction() as connection:
            resealing.reseal(connection, self._key, key)
            self._key = key
        with self._lock, self._told("is sealed anew, but traces of the old sealing could not be wiped"):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def component_secrets(self, pid: str) -> StoredSecrets:
        """The secrets that the component `pid` keeps."""
        return StoredSecrets(self, pid)

    def get_secret(self, pid: str, name: str) -> Secret | None:
        """A component's secret, or None."""
        with self._lock, self._told("cannot be read"):
            key = self._key
            row = self._connection.execute(
                "SELECT sealed FROM component_secret WHERE pid = ? AND name = ?", (pid, name)
            ).fetchone()
        return None if row is None else key.unseal(row[0], encoding.context("secret", pid, name))

    def set_secret(self, pid: str, name: str, secret: Secret | None) -> None:
        """Store a component's secret, or remove it (None)."""
        with self._transaction() as connection:
            if secret is None:
                connection.execute("DELETE FROM component_secret WHERE pid = ? AND name = ?", (pid, name))
            else:
                sealed = self._key.seal(secret, encoding.context("secret", pid, name))
                connection.execute("INSERT OR REPLACE INTO component_secret VALUES (?, ?, ?)", (pid, name, sealed))

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
        (verdict,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise DamagedStoreError(self._path, f"is damaged: {verdict}")
        if version < SCHEMA_VERSION:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                bring_forward(self._connection, version, self._now())

    def _last_revision(self) -> int:
        (revision,) = self._connection.execute("SELECT max(number) FROM revision").fetchone()
        return int(revision)

    def _now(self) -> str:
        return history.timestamp(self._clock.now())

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._told("the change could not be stored, what was stored before still is"):
            self._connection.execute("BEGIN IMMEDIATE")
            with self._connection:
                yield self._connection
        self.changed()

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Tell SQLite's errors as ours."""
        try:
            yield
        except UnicodeDecodeError as error:
            raise DamagedStoreError(self._path, f"{what}: {_NO_TEXT}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is None and str(error).startswith("Could not decode"):
                raise DamagedStoreError(self._path, f"{what}: {_NO_TEXT}") from None  # its own words have the text
            damaged = code is not None and code & 0xFF in _DAMAGE
            advice = "Move it away, or bring a copy back." if damaged else "See to the disk, then try again."
            kind = DamagedStoreError if damaged else ConfigurationStoreError
            raise kind(self._path, f"{what}: {error}. {advice}") from error


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
