"""Wrong in five ways, each of which its author could have overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import (
    Changes,
    Entry,
    KeystoreCapabilities,
    KeystoreService,
    PrivateKeyEntry,
    UnsupportedOperationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class FaultyKeystore(KeystoreService):
    """Keeps entries in memory."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """Wrong: its keys do leave it."""
        return KeystoreCapabilities(exports_keys=False)

    def aliases(self) -> tuple[str, ...]:
        """Wrong: they are in the order in which they came."""
        return tuple(self._entries)

    def get(self, alias: str) -> Entry | None:
        """The entry."""
        return self._entries.get(alias)

    def entries(self) -> Mapping[str, Entry]:
        """Wrong: this changes later."""
        return self._entries

    def commit(self, changes: Changes) -> None:
        """Wrong: what came before an entry that is refused, stays."""
        for alias, entry in changes.items():
            if entry is None:
                self._entries.pop(alias, None)
                continue
            if isinstance(entry, PrivateKeyEntry) and not entry.key.exportable:
                raise UnsupportedOperationError(f"store {alias}", "its key cannot be read")
            self._entries[alias] = entry

    def __repr__(self) -> str:
        """Wrong: the keys stand in it."""
        keys = [entry.key.export() for entry in self._entries.values() if isinstance(entry, PrivateKeyEntry)]
        shown = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() for key in keys]
        return f"FaultyKeystore({shown})"
