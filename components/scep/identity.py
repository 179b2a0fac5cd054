"""What the enrolment keeps in a keystore, under the aliases that the mission fixes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore import (
    KeyAlgorithm,
    KeystoreError,
    KeystoreService,
    PrivateKeyEntry,
    PublicKey,
    TrustedCertificateEntry,
)
from components.scep.enrolment import IdentityFacts, KeyFacts, KeystoreFacts
from components.scep.trust import CaTrust, fingerprint

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.keystore import KeystoreEdit

CA_CERTIFICATES: Final = "scep-cacerts_"
"""What the aliases of CA certificates begin with; an index follows, 0 is the trust anchor."""

REQUEST_KEY_PAIR: Final = "sce-request-key-pair"
ENROLLED_KEY_PAIR: Final = "scep-enrolled-key-pair"


class IdentityStore:
    """The enrolment's entries in one keystore. Any member may raise KeystoreError."""

    def __init__(self, keystore: KeystoreService) -> None:
        self._keystore = keystore

    def facts(self) -> KeystoreFacts:
        """What is there."""
        request, enrolled = self.request_entry(), self.enrolled_entry()
        return KeystoreFacts(
            has_trust=bool(self.ca_certificates()),
            identity=None if enrolled is None else identity_facts(enrolled),
            request_key=None if request is None else key_facts(request.key.public_key),
        )

    def ca_certificates(self) -> tuple[x509.Certificate, ...]:
        """The trusted CA certificates, the anchor first."""
        found = []
        for alias in self._ca_aliases():
            entry = self._keystore.get(alias)
            if isinstance(entry, TrustedCertificateEntry):
                found.append(entry.certificate)
        return tuple(found)

    def trust(self) -> CaTrust:
        """The same as trust; KeystoreError if there is none."""
        certificates = self.ca_certificates()
        if not certificates:
            raise KeystoreError(f"the CA certificates ({CA_CERTIFICATES}0 and on) have gone from the keystore")
        return CaTrust(certificates[0], certificates)

    def request_entry(self) -> PrivateKeyEntry | None:
        """The key pair of the request."""
        entry = self._keystore.get(REQUEST_KEY_PAIR)
        return entry if isinstance(entry, PrivateKeyEntry) else None

    def enrolled_entry(self) -> PrivateKeyEntry | None:
        """The enrolled key pair with its certificate."""
        entry = self._keystore.get(ENROLLED_KEY_PAIR)
        return entry if isinstance(entry, PrivateKeyEntry) else None

    def prepare_request_key(self, size: int, subject: x509.Name, now: datetime, *, reuse: bool) -> PrivateKeyEntry:
        """The key pair for a request: the one that is there, or a new one in its place."""
        entry = self.request_entry() if reuse else None
        if entry is not None:
            return entry
        return self._keystore.generate_key_pair(REQUEST_KEY_PAIR, KeyAlgorithm.RSA, size, subject=subject, now=now)

    def store_trust(self, certificates: tuple[x509.Certificate, ...]) -> None:
        """Put CA certificates in the place of those that are there."""
        with self._keystore.edit() as edit:
            self._replace_trust(edit, certificates)

    def store_identity(
        self, chain: tuple[x509.Certificate, ...], ca_certificates: tuple[x509.Certificate, ...] | None
    ) -> IdentityFacts:
        """Put the certificate with its key, and new CA certificates if there are, into the keystore at once."""
        request = self.request_entry()
        if request is None or request.key.public_key != chain[0].public_key():
            raise KeystoreError(f"the key of the request ({REQUEST_KEY_PAIR}) has gone from the keystore")
        entry = PrivateKeyEntry(request.key, chain)
        with self._keystore.edit() as edit:
            if ca_certificates is not None:
                self._replace_trust(edit, ca_certificates)
            edit.set(ENROLLED_KEY_PAIR, entry)
        return identity_facts(entry)

    def _replace_trust(self, edit: KeystoreEdit, certificates: tuple[x509.Certificate, ...]) -> None:
        for alias in self._ca_aliases():
            edit.delete(alias)
        for index, certificate in enumerate(certificates):
            edit.set(f"{CA_CERTIFICATES}{index}", TrustedCertificateEntry(certificate))

    def _ca_aliases(self) -> list[str]:
        aliases = [alias for alias in self._keystore.aliases() if alias.startswith(CA_CERTIFICATES)]
        return sorted(aliases, key=_index)


def key_facts(public_key: PublicKey) -> KeyFacts:
    """What tells a key from others."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyFacts(hashlib.sha256(encoded).hexdigest(), public_key.key_size)


def identity_facts(entry: PrivateKeyEntry) -> IdentityFacts:
    """What tells an enrolled certificate from others."""
    return IdentityFacts(fingerprint(entry.chain[0]), key_facts(entry.key.public_key).sha256)


def _index(alias: str) -> tuple[int, str]:
    digits = alias.removeprefix(CA_CERTIFICATES)
    return (int(digits) if digits.isascii() and digits.isdigit() else 1_000_000, alias)
