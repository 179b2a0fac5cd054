"""Opens the store of a gateway: with the right master key, from a good copy if the file is damaged."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from framework.configuration.errors import ConfigurationStoreError, DamagedStoreError
from framework.configuration.history import timestamp
from framework.configuration.store import ConfigurationStore
from framework.log_events import COPY_DAMAGED, COPY_FAILED, STORE_DAMAGED
from framework.sealing import STORES
from framework.storage import replace_file, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from framework.clock import Clock
    from framework.scheduler import Scheduler
    from framework.sealing import KeyRing, MasterKey

_log = logging.getLogger("framework.configuration")

FILE, GOOD_COPY = STORES
"""The store's file in the state directory, and the last good copy of it."""

PAUSE_S: Final = 60.0
"""After a change, so long is waited for more before a copy is made, in seconds."""


def open_store(directory: Path, keys: KeyRing, clock: Clock) -> ConfigurationStore:
    """The store in a state directory.

    A file that is damaged, empty or gone is set aside and the last good copy is used in its place; a notice tells
    it until it is acknowledged. A change of the master key that was interrupted is completed.

    Raises:
        ConfigurationStoreError: It was written by a newer version, or the disk does not let it be opened.
        SealingError: A secret cannot be opened with any of the keys.
    """
    path, copy = directory / FILE, directory / GOOD_COPY
    if copy.exists() and (not path.exists() or path.stat().st_size == 0):
        return _repaired(path, copy, keys, clock, "was gone or empty")
    try:
        return _opened(path, keys, clock)
    except DamagedStoreError as error:
        _log.error(STORE_DAMAGED, {"error": error})
        return _repaired(path, copy, keys, clock, "was damaged")


def rotate_key(store: ConfigurationStore, keys: KeyRing, directory: Path) -> None:
    """Make a new master key and seal everything under it; interrupted at any point, the next start completes it.

    Raises:
        SealingError: The key is a credential, or a secret cannot be opened; nothing is changed.
        ConfigurationStoreError: It could not be stored; nothing is changed.
    """
    key = keys.prepare()
    try:
        store.reseal(key)
    finally:
        if store.key_id() == key.id:
            keys.commit()
        else:
            keys.forget_next()
    store.copy_to(directory / GOOD_COPY)


def _opened(path: Path, keys: KeyRing, clock: Clock) -> ConfigurationStore:
    key = keys.find(_key_id_in(path))
    store = ConfigurationStore(path, key, clock)
    try:
        store.check()
        _settle_key(store, key, keys)
    except BaseException:
        store.close()
        raise
    return store


def _settle_key(store: ConfigurationStore, key: MasterKey, keys: KeyRing) -> None:
    """Complete a change of the master key that was begun before."""
    if key.id == keys.current.id:
        if store.key_id() != key.id:
            store.note_key()
        keys.forget_next()
    elif keys.is_next(key):
        keys.commit()
    else:
        store.reseal(keys.current)


def _key_id_in(path: Path) -> str | None:
    """The id of the key that a file is sealed under; None if it does not say so."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = 'key_id'").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):  # the latter is what a damaged schema comes to
        return None
    return None if row is None else str(row[0])


def _repaired(path: Path, copy: Path, keys: KeyRing, clock: Clock, what: str) -> ConfigurationStore:
    aside = _set_aside(path, clock)
    kept = f"; the file is kept as {aside.name}" if aside is not None else ""
    store = None
    if copy.exists():
        try:
            replace_file(path, copy.read_bytes())
            store = _opened(path, keys, clock)
        except DamagedStoreError:
            _log.exception(COPY_DAMAGED)
            _set_aside(path, clock)
    if store is None:
        store = _opened(path, keys, clock)
        told = f"{path} {what} and there is no good copy: nothing is stored now, only configuration files and defaults"
    else:
        last = store.history()[0]
        told = f"{path} {what}: the last good copy, revision {last.number} of {timestamp(last.at)}, is used"
    store.add_notice(f"{told}{kept}. Check the configuration, then: gatewright config acknowledge")
    return store


def _set_aside(path: Path, clock: Clock) -> Path | None:
    """Give a damaged file and its log another name, under which they can be looked at."""
    if not path.exists():
        return None
    stem = f"{path.name}.damaged-{clock.now():%Y%m%dT%H%M%SZ}"
    taken = {one.name for one in path.parent.iterdir()}
    name = next(one for one in (stem, *(f"{stem}-{number}" for number in range(1, 1_000_000))) if one not in taken)
    for suffix in ("-wal", "-shm"):
        log = path.with_name(path.name + suffix)
        if log.exists():
            log.rename(path.with_name(name + suffix))
    aside = path.rename(path.with_name(name))
    sync_directory(path.parent)
    return aside


class StoreCopies:
    """Keeps the last good copy of a store: soon after changes, and when a gateway stops.

    Args:
        store: What is copied.
        scheduler: Says when.
        post: Runs the copying on another thread.
    """

    def __init__(
        self, store: ConfigurationStore, scheduler: Scheduler, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self._store = store
        self._path = store.path.with_name(GOOD_COPY)
        self._scheduler = scheduler
        self._post = post
        self._lock = threading.Lock()
        self._due = False

    def start(self) -> None:
        """Copy from now on."""
        self._store.changed = self._note
        self._note()

    def make(self) -> None:
        """Make a copy now, if something has changed since the last one; a failure is logged."""
        with self._lock:
            due, self._due = self._due, False
        if not due:
            return
        try:
            self._store.copy_to(self._path)
        except (OSError, ConfigurationStoreError):
            _log.exception(COPY_FAILED)

    def _note(self) -> None:
        with self._lock:
            if self._due:
                return
            self._due = True
        self._scheduler.call_later(PAUSE_S, lambda: self._post(self.make))
