"""Wrong in three ways, since it tells of what it has not done yet."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    CHANGED_TOPIC,
    Changes,
    Entry,
    KeystoreCapabilities,
    KeystoreService,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    changed_properties,
)
from framework import component

if TYPE_CHECKING:
    from pathlib import Path

    from framework import ComponentContext, DeactivationReason


@component("HastyKeystore", provides=(KeystoreService,))
class HastyKeystore(KeystoreService):
    """Trusted certificates in a file."""

    _path: Path
    _entries: dict[str, TrustedCertificateEntry]

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._context: ComponentContext | None = None

    def activate(self, context: ComponentContext) -> None:
        """Load the file."""
        self._context = context
        self.open(context.data_directory / "certificates.json")

    def deactivate(self, _reason: DeactivationReason) -> None:
        """Wrong: written when it stops, to spare the flash memory; after a power cut nothing is there."""
        stored = {
            alias: entry.certificate.public_bytes(Encoding.PEM).decode() for alias, entry in self._entries.items()
        }
        self._path.write_text(json.dumps(stored))

    def open(self, path: Path) -> None:
        """Load `path`, if it exists."""
        self._path = path
        stored = json.loads(path.read_text()) if path.exists() else {}
        self._entries = {
            alias: TrustedCertificateEntry(x509.load_pem_x509_certificate(text.encode()))
            for alias, text in stored.items()
        }

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """No keys."""
        return KeystoreCapabilities(generates_keys=False, stores_foreign_keys=False)

    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted."""
        return tuple(sorted(self._entries))

    def get(self, alias: str) -> Entry | None:
        """The entry."""
        return self._entries.get(alias)

    def commit(self, changes: Changes) -> None:
        """Wrong: told of before it is so, and under nothing that keeps the order."""
        if not all(entry is None or isinstance(entry, TrustedCertificateEntry) for entry in changes.values()):
            raise UnsupportedOperationError("store", "it takes certificates only")
        if self._context is not None:
            self._context.publish(CHANGED_TOPIC, changed_properties(self._context.service_pid, changes))
        with self._lock:
            changed = {**self._entries, **changes}
            self._entries = {
                alias: entry for alias, entry in changed.items() if isinstance(entry, TrustedCertificateEntry)
            }
