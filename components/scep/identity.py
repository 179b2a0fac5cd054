"""What the enrolment keeps in a keystore, under the aliases that the mission fixes."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore import (
    KeyAlgorithm,
    KeystoreError,
    KeystoreService,
    PrivateKeyEntry,
    PublicKey,
    TrustedCertificateEntry,
    UnsupportedOperationError,
)
from components.scep.enrolment import IdentityFacts, KeyFacts, KeystoreFacts, Validity
from components.scep.errors import UntrustedIssuerError
from components.scep.trust import CaTrust, fingerprint, has_public_key, is_ca

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cryptography import x509

    from components.keystore import Entry, KeystoreEdit

CA_CERTIFICATES: Final = "scep-cacerts_"
"""What the aliases of CA certificates begin with; an index follows, 0 is the trust anchor."""

REQUEST_KEY_PAIR: Final = "sce-request-key-pair"
ENROLLED_KEY_PAIR: Final = "scep-enrolled-key-pair"


class StoredIdentity:
    """What the enrolment has in its keystore at one moment: all of it is of one look.

    Attributes:
        enrolled: The enrolled key pair with its certificate, or None.
        requested: The key pair of a request, or None.
        ca_certificates: The trusted CA certificates, the anchor first, those of an earlier CA last.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.enrolled = _key_entry(entries, ENROLLED_KEY_PAIR)
        self.requested = _key_entry(entries, REQUEST_KEY_PAIR)
        self.ca_certificates = _ca_certificates(entries)

    @cached_property
    def trust(self) -> CaTrust:
        """The present CA of these, without an earlier one; KeystoreError if there is none."""
        if not self.ca_certificates:
            raise KeystoreError(f"the CA certificates ({CA_CERTIFICATES}0 and on) have gone from the keystore")
        return _trust_of(self.ca_certificates)

    @cached_property
    def superseded(self) -> tuple[x509.Certificate, ...]:
        """The CA certificates that do not belong to the present CA: an earlier one's."""
        present = self.trust.certificates if self.ca_certificates else ()
        return tuple(one for one in self.ca_certificates if one not in present)

    @property
    def earlier(self) -> tuple[CaTrust, ...]:
        """The earlier CAs that are superseded, each with what leads to it."""
        found: list[CaTrust] = []
        left = self.superseded
        while left:
            found.append(_trust_of(left))
            left = tuple(one for one in left if one not in found[-1].certificates)
        return tuple(one for one in found if is_ca(one.anchor))

    def facts(self) -> KeystoreFacts:
        """What the state machine has to know of it."""
        trust = self.trust if self.ca_certificates else None
        return KeystoreFacts(
            has_trust=trust is not None,
            identity=None if self.enrolled is None else identity_facts(self.enrolled, trust),
            request_key=None if self.requested is None else key_facts(self.requested.key.public_key),
            ca=None if trust is None else validity_of(trust.anchor),
            superseded_until=max((one.not_valid_after_utc for one in self.superseded), default=None),
        )


class IdentityStore:
    """The enrolment's entries in one keystore. Any member may raise KeystoreError."""

    def __init__(self, keystore: KeystoreService) -> None:
        self._keystore = keystore

    def look(self) -> StoredIdentity:
        """What is there now."""
        return StoredIdentity(self._keystore.entries())

    def check_capabilities(self) -> None:
        """Fail with the reason before an enrolment begins whose outcome the keystore could not keep.

        Raises:
            UnsupportedOperationError: It takes no changes; or it makes no RSA keys, and holds none that is enrolled.
            KeystoreError: It cannot be asked.
        """
        capabilities = self._keystore.capabilities
        capabilities.demand(changes=True)
        try:
            capabilities.demand(generates=KeyAlgorithm.RSA)
        except UnsupportedOperationError:
            if self.look().enrolled is None:
                raise

    def prepare_request_key(self, size: int, subject: x509.Name, now: datetime, *, reuse: bool) -> PrivateKeyEntry:
        """The key pair for a request: the one that is there, or a new one in its place."""
        entry = self.look().requested if reuse else None
        if entry is not None:
            return entry
        return self._keystore.generate_key_pair(REQUEST_KEY_PAIR, KeyAlgorithm.RSA, size, subject=subject, now=now)

    def store_trust(self, certificates: tuple[x509.Certificate, ...]) -> None:
        """Put CA certificates in the place of those that are there."""
        with self._keystore.edit() as edit:
            self._replace_trust(edit, certificates)

    def store_identity(
        self,
        stored: StoredIdentity,
        chain: tuple[x509.Certificate, ...],
        ca_certificates: tuple[x509.Certificate, ...] = (),
    ) -> StoredIdentity:
        """Put the certificate with its key, and new CA certificates if there are, into the keystore at once.

        Args:
            stored: What is there.
            chain: The certificate first; its key is that of the request, or the one that is enrolled.
            ca_certificates: Those that take the place of all that are there, the anchor first.

        Returns:
            What is there then.
        """
        candidates = (stored.enrolled, stored.requested)
        keys = [one.key for one in candidates if one is not None and has_public_key(chain[0], one.key.public_key)]
        if not keys:
            raise KeystoreError(f"the key of the request ({REQUEST_KEY_PAIR}) has gone from the keystore")
        with self._keystore.edit() as edit:
            if ca_certificates:
                self._replace_trust(edit, ca_certificates)
            edit.set(ENROLLED_KEY_PAIR, PrivateKeyEntry(keys[0], chain))
        return self.look()

    def drop_superseded(self) -> None:
        """Take the CA certificates that do not belong to the present CA out of the keystore."""
        self.store_trust(self.look().trust.certificates)

    def _replace_trust(self, edit: KeystoreEdit, certificates: tuple[x509.Certificate, ...]) -> None:
        for alias in self._keystore.aliases():
            if alias.startswith(CA_CERTIFICATES):
                edit.delete(alias)
        for index, certificate in enumerate(certificates):
            edit.set(f"{CA_CERTIFICATES}{index}", TrustedCertificateEntry(certificate))


def _key_entry(entries: Mapping[str, Entry], alias: str) -> PrivateKeyEntry | None:
    entry = entries.get(alias)
    return entry if isinstance(entry, PrivateKeyEntry) else None


def _ca_certificates(entries: Mapping[str, Entry]) -> tuple[x509.Certificate, ...]:
    aliases = sorted((alias for alias in entries if alias.startswith(CA_CERTIFICATES)), key=_index)
    found = (entries[alias] for alias in aliases)
    return tuple(entry.certificate for entry in found if isinstance(entry, TrustedCertificateEntry))


def key_facts(public_key: PublicKey) -> KeyFacts:
    """What tells a key from others."""
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyFacts(hashlib.sha256(encoded).hexdigest(), public_key.key_size)


def identity_facts(entry: PrivateKeyEntry, trust: CaTrust | None) -> IdentityFacts:
    """What the enrolment has to know of an enrolled certificate."""
    certificate = entry.chain[0]
    return IdentityFacts(
        sha256=fingerprint(certificate),
        key_sha256=key_facts(entry.key.public_key).sha256,
        serial=f"{certificate.serial_number:x}",
        subject=certificate.subject.rfc4514_string(),
        validity=validity_of(certificate),
        fits_key=has_public_key(certificate, entry.key.public_key),
        fits_ca=trust is None or _leads_to(entry.chain, trust),
    )


def validity_of(certificate: x509.Certificate) -> Validity:
    """When a certificate is valid."""
    return Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _leads_to(chain: tuple[x509.Certificate, ...], trust: CaTrust) -> bool:
    """Whether a stored chain leads to the anchor; its intermediates may be older than those that are trusted now."""
    try:
        CaTrust(trust.anchor, (*trust.certificates, *chain[1:])).chain_of(chain[0])
    except UntrustedIssuerError:
        return False
    return True


def _trust_of(certificates: tuple[x509.Certificate, ...]) -> CaTrust:
    """The CA of the first of these certificates, with those of the others that lead to it."""
    together = CaTrust(certificates[0], certificates)
    return CaTrust(certificates[0], tuple(one for one in certificates if _leads_to((one,), together)))


def _index(alias: str) -> tuple[int, str]:
    digits = alias.removeprefix(CA_CERTIFICATES)
    return (int(digits) if digits.isascii() and digits.isdigit() else 1_000_000, alias)
