"""What is on a token, and the entries that it amounts to."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pkcs11.constants import Attribute, CertificateType, ObjectClass
from pkcs11.exceptions import AttributeTypeInvalid, ObjectHandleInvalid, PKCS11Error

from components.asn1 import der
from components.keystore.entries import Entry, PrivateKeyEntry, TrustedCertificateEntry, check_alias
from components.keystore.errors import AliasError, EntryError
from components.keystore.log_events import CERTIFICATE_UNREADABLE, TRUST_UNKNOWN
from components.keystore.pkcs11.index import CertificateRecord, Index, IndexRecord, KeyRecord, is_own, newest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pkcs11.types import Session

    from components.keystore.keys import PrivateKey, PublicKey

CertificateCache: TypeAlias = dict[bytes, x509.Certificate]
"""Certificates by their DER, decoded once."""

_LONGEST_CHAIN: Final = 10
_log = logging.getLogger("components.keystore.pkcs11")


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """A certificate object.

    Attributes:
        object: python-pkcs11's.
        id: Its CKA_ID.
        label: Its CKA_LABEL.
        certificate: The certificate.
        fingerprint: SHA-256 of it, in hex.
        trusted: Whether only who knows a PIN can have put it there: it is private, or trusted by the token's
            security officer.
    """

    object: Any
    id: bytes
    label: str
    certificate: x509.Certificate
    fingerprint: str
    trusted: bool


@dataclass(slots=True)
class TokenContents:
    """What was found on a token when its index was read.

    Attributes:
        index_values: The values of all index objects, whole or not.
        index_objects: Those objects.
        index: The one that counts; an empty one if there is none.
        indexed: Whether there is one.
        certificates: All certificates.
        keys: All private keys by CKA_ID.
        labels: Their labels.
        records: The entries by alias, those of others' objects included.
        foreign_labels: Aliases that others' objects bear.
        problems: What is wrong, each in a sentence.
    """

    index_values: tuple[bytes, ...]
    index_objects: Sequence[Any]
    index: Index
    indexed: bool
    certificates: list[StoredCertificate]
    keys: dict[bytes, Any]
    labels: dict[bytes, str]
    records: dict[str, IndexRecord] = field(default_factory=dict)
    foreign_labels: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    _entries: Mapping[str, Entry] | None = None

    @staticmethod
    def fingerprint(certificate: x509.Certificate) -> str:
        """SHA-256 in hex."""
        return certificate.fingerprint(hashes.SHA256()).hex()

    def is_own(self, record: IndexRecord) -> bool:
        """Whether an entry is of objects that this keystore once put there."""
        if isinstance(record, KeyRecord):
            return is_own(record.key)
        return record is not None and any(
            is_own(each.id) for each in self.certificates if each.fingerprint == record.certificate
        )

    def holds(self, certificate: x509.Certificate, object_id: bytes | None) -> bool:
        """Whether a certificate is on the token, under that CKA_ID if one is given."""
        fingerprint = self.fingerprint(certificate)
        return any(each.fingerprint == fingerprint and object_id in (None, each.id) for each in self.certificates)

    def add(self, session: Session, certificate: x509.Certificate, object_id: bytes, alias: str) -> Any:
        """Put a certificate on the token."""
        encoded = certificate.public_bytes(Encoding.DER)
        made = session.create_object(
            {
                Attribute.CLASS: ObjectClass.CERTIFICATE,
                Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
                Attribute.TOKEN: True,
                Attribute.PRIVATE: False,
                Attribute.LABEL: alias,
                Attribute.ID: object_id,
                Attribute.SUBJECT: certificate.subject.public_bytes(),
                Attribute.ISSUER: certificate.issuer.public_bytes(),
                Attribute.SERIAL_NUMBER: der.integer(certificate.serial_number),
                Attribute.VALUE: encoded,
            }
        )
        stored = StoredCertificate(made, object_id, alias, certificate, self.fingerprint(certificate), trusted=False)
        self.certificates.append(stored)
        return made

    def after(self, index: Index, value: bytes, index_object: Any) -> TokenContents:
        """What is on the token when an index, that object with that value, has taken the former one's place."""
        contents = replace(
            self, index_values=(value,), index_objects=[index_object], index=index, indexed=True, _entries=None
        )
        contents.records = {**_by_label(contents), **index.records}
        return contents

    def remove_unnamed(self) -> bool:
        """Destroy what the index does not name, of ours, and of others' where the index says that it is deleted."""
        keys, certificates = self.index.keys(), self.index.certificates()
        deleted = {alias for alias, record in self.index.records.items() if record is None}
        unnamed = [
            key
            for object_id, key in self.keys.items()
            if object_id not in keys and (is_own(object_id) or self.labels.get(object_id) in deleted)
        ]
        unnamed += [
            each.object
            for each in self.certificates
            if each.fingerprint not in certificates and (is_own(each.id) or each.label in deleted)
        ]
        for each in unnamed:
            try:
                each.destroy()
            except ObjectHandleInvalid:
                continue
        return bool(unnamed)

    def entries(self, handle: Callable[[bytes, PublicKey], PrivateKey]) -> Mapping[str, Entry]:
        """The entries by alias, sorted."""
        if self._entries is None:
            by_fingerprint = {each.fingerprint: each.certificate for each in self.certificates}
            found: dict[str, Entry] = {}
            problems: list[str] = []
            for alias, record in sorted(self.records.items()):
                try:
                    if (entry := self._entry(record, by_fingerprint, handle)) is not None:
                        found[alias] = entry
                except (KeyError, EntryError) as error:
                    reason = str(error) if isinstance(error, EntryError) else "a part of it is no longer on the token"
                    problems.append(f"the entry {alias} is broken: {reason}; delete it, and enrol or store it anew")
            self.problems = tuple(problems)
            self._entries = MappingProxyType(found)
        return self._entries

    def _entry(
        self,
        record: IndexRecord,
        by_fingerprint: Mapping[str, x509.Certificate],
        handle: Callable[[bytes, PublicKey], PrivateKey],
    ) -> Entry | None:
        if record is None:
            return None
        if isinstance(record, CertificateRecord):
            return TrustedCertificateEntry(by_fingerprint[record.certificate])
        chain = tuple(by_fingerprint[each] for each in record.chain)
        _ = self.keys[record.key]
        public_key = chain[0].public_key()
        if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise EntryError("its key is neither RSA nor EC")
        return PrivateKeyEntry(handle(record.key, public_key), chain)


def read_contents(
    session: Session, index_values: tuple[bytes, ...], index_objects: Sequence[Any], cache: CertificateCache
) -> TokenContents:
    """Look at all keys and certificates of a token.

    Raises:
        PKCS11Error: As the module says.
    """
    certificates = [
        stored
        for each in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
        if (stored := _stored(each, cache)) is not None
    ]
    keys: dict[bytes, Any] = {}
    labels: dict[bytes, str] = {}
    for each in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}):
        object_id = bytes(each[Attribute.ID])
        keys[object_id], labels[object_id] = each, str(each[Attribute.LABEL])
    index = newest(index_values)
    contents = TokenContents(
        index_values, index_objects, index or Index(), index is not None, certificates, keys, labels
    )
    taken_up = _by_label(contents)
    contents.foreign_labels = frozenset(
        {label for object_id, label in labels.items() if not is_own(object_id)}
        | {each.label for each in certificates if not is_own(each.id)}
    )
    contents.records = {**taken_up, **contents.index.records}
    return contents


def _by_label(contents: TokenContents) -> dict[str, IndexRecord]:
    """The entries that objects amount to which no index names: others' objects, or all if the index is lost."""

    def counts(object_id: bytes) -> bool:
        return not (contents.indexed and is_own(object_id))

    found: dict[str, IndexRecord] = {}
    for object_id, label in contents.labels.items():
        leaf = next((each for each in contents.certificates if each.id == object_id), None)
        if leaf is not None and counts(object_id) and _is_alias(label):
            found[label] = KeyRecord(object_id, _chain(leaf, contents.certificates))
    for each in contents.certificates:
        trusted = each.trusted or is_own(each.id)
        if trusted and counts(each.id) and each.id not in contents.keys and _is_alias(each.label):
            found.setdefault(each.label, CertificateRecord(each.fingerprint))
    return found


def _chain(leaf: StoredCertificate, certificates: Sequence[StoredCertificate]) -> tuple[str, ...]:
    chain = [leaf]
    while len(chain) < _LONGEST_CHAIN:
        issuer = next((each for each in certificates if each not in chain and _issued(each, chain[-1])), None)
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(each.fingerprint for each in chain)


def _issued(issuer: StoredCertificate, subject: StoredCertificate) -> bool:
    if issuer.certificate.subject != subject.certificate.issuer or issuer.fingerprint == subject.fingerprint:
        return False
    try:
        subject.certificate.verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _stored(each: Any, cache: CertificateCache) -> StoredCertificate | None:
    facts = each.get_attributes([Attribute.VALUE, Attribute.ID, Attribute.LABEL, Attribute.PRIVATE])
    encoded = bytes(facts[Attribute.VALUE])
    certificate = cache.get(encoded)
    if certificate is None:
        try:
            certificate = cache[encoded] = x509.load_der_x509_certificate(encoded)
        except ValueError as error:
            _log.info(CERTIFICATE_UNREADABLE, {"error": error})
            return None
    return StoredCertificate(
        each,
        bytes(facts[Attribute.ID]),
        str(facts[Attribute.LABEL]),
        certificate,
        TokenContents.fingerprint(certificate),
        trusted=bool(facts[Attribute.PRIVATE]) or _officially_trusted(each),
    )


def _officially_trusted(each: Any) -> bool:
    try:
        return bool(each[Attribute.TRUSTED])
    except AttributeTypeInvalid:
        return False
    except PKCS11Error as error:
        _log.debug(TRUST_UNKNOWN, {"error": error})
        return False


def _is_alias(label: str) -> bool:
    try:
        check_alias(label)
    except AliasError:
        return False
    return True
