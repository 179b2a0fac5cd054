"""Keys that sign and decrypt, but do not leave; with their certificates in one file of JSON."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from components.keystore import (
    Announcements,
    Changes,
    DamagedKeystoreError,
    Entry,
    KeyAlgorithm,
    KeystoreCapabilities,
    KeystoreService,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    PublicKey,
    SecretKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    UnsupportedOperationError,
    check_alias,
    commit_publisher,
    self_signed_certificate,
)
from framework import component
from framework.storage import replace_file

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from framework import ComponentContext


class AcmeKey:
    """A handle; only this module reaches what is behind it."""

    def __init__(self, key: SoftwarePrivateKey) -> None:
        self._key = key

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._key.public_key

    @property
    def exportable(self) -> bool:
        """Never."""
        return False

    def sign(self, data: bytes, algorithm: HashAlgorithm) -> bytes:
        """Sign with the key."""
        return self._key.sign(data, algorithm)

    def decrypt(self, ciphertext: bytes, padding: AsymmetricPadding) -> bytes:
        """Decrypt with the key."""
        return self._key.decrypt(ciphertext, padding)

    def export(self) -> NoReturn:
        """Refuse."""
        raise UnsupportedOperationError("export the key", "keys do not leave the Acme keystore")


@component("AcmeKeystore", provides=(KeystoreService,), descriptor="AcmeKeystore.xml")
class AcmeKeystore(KeystoreService):
    """One file per gateway."""

    _path: Path
    _entries: dict[str, Entry]

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._announcements: Announcements | None = None

    def activate(self, context: ComponentContext) -> None:
        """Load the file, if there is one."""
        self.open(context.data_directory / context.properties["file.name"])
        self._announcements = Announcements(commit_publisher(context))

    def open(self, path: Path) -> None:
        """Load `path`, if it exists."""
        self._path = path
        try:
            stored = json.loads(path.read_bytes()) if path.exists() else {}
            self._entries = {alias: _load(fields) for alias, fields in sorted(stored.items())}
        except (ValueError, LookupError) as error:
            raise DamagedKeystoreError(str(path), str(error)) from error

    @property
    def capabilities(self) -> KeystoreCapabilities:
        """Keys are made here and stay here."""
        return KeystoreCapabilities(exports_keys=False, stores_foreign_keys=False)

    def aliases(self) -> tuple[str, ...]:
        """All aliases, sorted."""
        return tuple(self._entries)

    def get(self, alias: str) -> Entry | None:
        """The entry of `alias`, or None."""
        return self._entries.get(alias)

    def commit(self, changes: Changes) -> None:
        """Replace the file."""
        for alias, entry in changes.items():
            if isinstance(entry, PrivateKeyEntry) and not isinstance(entry.key, AcmeKey):
                raise UnsupportedOperationError(f"store {alias}", "the Acme keystore takes no foreign keys")
            if isinstance(entry, SecretKeyEntry):
                raise UnsupportedOperationError(f"store {alias}", "the Acme keystore takes no secret keys")
        with self._lock:
            changed = sorted({**self._entries, **changes}.items())
            kept = {alias: entry for alias, entry in changed if entry is not None}
            text = json.dumps({alias: _dump(entry) for alias, entry in kept.items()}, indent=1)
            try:
                replace_file(self._path, text.encode())
            except OSError as error:
                raise KeystoreUnavailableError(str(self._path), f"cannot be written: {error}") from error
            self._entries = kept
            if self._announcements is not None:
                self._announcements.add(changes)
        if self._announcements is not None:
            self._announcements.deliver()

    def generate_key_pair(
        self, alias: str, algorithm: KeyAlgorithm, size: int, *, subject: x509.Name, now: datetime
    ) -> PrivateKeyEntry:
        """Make a key that never leaves."""
        check_alias(alias)
        key = AcmeKey(SoftwarePrivateKey.generate(algorithm, size))
        entry = PrivateKeyEntry(key, (self_signed_certificate(key, subject, now),))
        self.set(alias, entry)
        return entry

    def __repr__(self) -> str:
        return f"AcmeKeystore({', '.join(self._entries)})"


def _dump(entry: Entry) -> dict[str, str]:
    if isinstance(entry, TrustedCertificateEntry):
        return {"certificates": entry.certificate.public_bytes(Encoding.PEM).decode()}
    if not isinstance(entry, PrivateKeyEntry) or not isinstance(entry.key, AcmeKey):
        raise TypeError("commit lets nothing else through")
    key = entry.key
    material = key._key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # ours
    chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in entry.chain)
    return {"key": material.decode(), "certificates": chain.decode()}


def _load(fields: dict[str, str]) -> Entry:
    certificates = tuple(x509.load_pem_x509_certificates(fields["certificates"].encode()))
    if "key" not in fields:
        return TrustedCertificateEntry(certificates[0])
    material = load_pem_private_key(fields["key"].encode(), None)
    return PrivateKeyEntry(AcmeKey(SoftwarePrivateKey(material)), certificates)
