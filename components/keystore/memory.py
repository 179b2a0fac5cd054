"""A keystore that forgets: for tests, and for trying things out."""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from components.keystore.announcements import Announcements
from components.keystore.contract import Changes, KeystoreCapabilities, KeystoreService
from components.keystore.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from components.keystore.entries import Entry


@final
class MemoryKeystore(KeystoreService):
    """Keeps its entries in memory.

    Args:
        entries: What it holds at the beginning, by alias.
        read_only: Whether it stays at that.
        committed: Called with what really changed, after each commit, in the order of commits, under no lock.
    """

    def __init__(
        self,
        entries: Mapping[str, Entry] = MappingProxyType({}),
        *,
        read_only: bool = False,
        committed: Callable[[Changes], None] = lambda _: None,
    ) -> None:
        self._capabilities = KeystoreCapabilities(
            read_only=read_only, generates_keys=not read_only, stores_secret_keys=True
        )
        self._lock = threading.Lock()
        self._announcements = Announcements(committed)
        self._entries: Mapping[str, Entry] = MappingProxyType(dict(sorted(entries.items(), key=_alias)))

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """Everything, unless it is read-only."""
        return self._capabilities

    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted."""
        return tuple(self._entries)

    def get(self, alias: str) -> Entry | None:
        """The entry of `alias`, or None."""
        return self._entries.get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """All entries by alias, as they are at this moment."""
        return self._entries

    def commit(self, changes: Changes) -> None:
        """Replace the entries by changed ones."""
        if self._capabilities.read_only:
            raise UnsupportedOperationError("change the keystore", "it is read-only")
        with self._lock:
            different = {alias: entry for alias, entry in changes.items() if self._entries.get(alias) != entry}
            if not different:
                return
            changed = {**self._entries, **different}
            kept = {alias: entry for alias, entry in sorted(changed.items(), key=_alias) if entry is not None}
            self._entries = MappingProxyType(kept)
            self._announcements.add(MappingProxyType(different))
        self._announcements.deliver()

    def __repr__(self) -> str:
        return f"MemoryKeystore({', '.join(self._entries)})"


def _alias(item: tuple[str, object]) -> str:
    return item[0]
