"""PKCS #12 (RFC 7292) with many entries, as Java keeps its keystores and OpenSSL reads them.

Each private key is a shrouded key bag, its own certificate a bag with the same localKeyId, both with the
alias as friendlyName. Other certificates of chains are bags without a name; trusted certificates bear
Java's attribute. Secret keys are kept as Java keeps them. A certificate of a foreign file that belongs to no key is
taken as trusted, so that nothing is lost when the file is written again. A file that holds what this keystore cannot
keep (CRLs, keys that are neither RSA nor EC) is refused rather than impoverished; of attributes, only the name, the
key id and trust are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from components.asn1 import der
from components.asn1.der import DerError, Reader
from components.keystore.entries import (
    Entry,
    PrivateKeyEntry,
    SecretKeyEntry,
    TrustedCertificateEntry,
    check_alias,
)
from components.keystore.errors import (
    AliasError,
    DamagedKeystoreError,
    EntryError,
    UnsupportedOperationError,
    WrongPasswordError,
)
from components.keystore.filesystem import object_identifiers as oid
from components.keystore.filesystem.assembly import Bag, Contents, ForeignContentError, assemble, digest_of
from components.keystore.filesystem.encryption import (
    MOST_ITERATIONS,
    Decryptor,
    DerivedKeys,
    Protection,
    UnknownAlgorithmError,
    mac_holds,
)
from components.keystore.keys import SoftwarePrivateKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from components.asn1.der import Element
    from metatype import Secret

_VERSION: Final = 3
_EXPLICIT_0: Final = 0xA0
_IMPLICIT_OCTETS_0: Final = 0x80

_Content: TypeAlias = "SoftwarePrivateKey | SecretKeyEntry | x509.Certificate"
"""What a bag holds."""


@dataclass(frozen=True, slots=True)
class _Written:
    """An entry and the bags that it was written as."""

    entry: Entry
    key_bags: tuple[bytes, ...]
    certificate_bags: tuple[bytes, ...]
    digests: tuple[bytes, ...]


class KnownBags:
    """What the bags of one file are, under one password: what did not change is neither encrypted nor read again.

    A bag is known by its octets, and reading them is a pure function of the password, so nothing that is read by way of
    this can differ from what would be read without it.

    Args:
        keys: Those of the file's password.
    """

    def __init__(self, keys: DerivedKeys) -> None:
        self.keys = keys
        self._written: dict[str, _Written] = {}
        self._read: dict[bytes, tuple[Bag, _Content]] = {}

    def written(self, alias: str, entry: Entry) -> _Written | None:
        """The bags that an entry was written as when the file was written last."""
        known = self._written.get(alias)
        return known if known is not None and known.entry is entry else None

    def read(self, encoded: bytes) -> tuple[Bag, _Content] | None:
        """What a bag held when the file was read last."""
        return self._read.get(encoded)

    def now_written(self, bags: dict[str, _Written]) -> None:
        """Take what the whole file was written as, in place of what was known."""
        self._written = bags

    def now_read(self, bags: dict[bytes, tuple[Bag, _Content]]) -> None:
        """Take all bags of the file that was read, in place of what was known."""
        self._read = bags


def encode_pkcs12(entries: Mapping[str, Entry], password: Secret | KnownBags) -> bytes:
    """Write entries as a PKCS #12 file.

    Args:
        entries: The entries by alias.
        password: The password that it is encrypted and authenticated under, or what is known of the file already.

    Raises:
        UnsupportedOperationError: A private key cannot leave where it is.
    """
    known = _known_of(password)
    protection = Protection(known.keys)
    bags = {
        alias: known.written(alias, entry) or _entry_bags(alias, entry, protection)
        for alias, entry in sorted(entries.items())
    }
    known.now_written(bags)
    certificate_bags = [bag for each in bags.values() for bag in each.certificate_bags]
    written = {each.digests[0] for each in bags.values() if each.digests}
    issuers = {
        digest: certificate
        for each in bags.values()
        if isinstance(each.entry, PrivateKeyEntry)
        for digest, certificate in zip(each.digests[1:], each.entry.chain[1:], strict=True)
    }
    certificate_bags += [
        _certificate_bag(certificate) for digest, certificate in issuers.items() if digest not in written
    ]
    safes = der.sequence(
        _content_info(
            oid.DATA, der.octet_string(der.sequence(*(bag for each in bags.values() for bag in each.key_bags)))
        ),
        _content_info(oid.ENCRYPTED_DATA, _encrypted_data(der.sequence(*certificate_bags), protection)),
    )
    return der.sequence(
        der.integer(_VERSION), _content_info(oid.DATA, der.octet_string(safes)), protection.mac_data(safes)
    )


def _entry_bags(alias: str, entry: Entry, protection: Protection) -> _Written:
    name = _attribute(oid.FRIENDLY_NAME, der.encode(der.BMP_STRING, alias.encode("utf-16-be")))
    if isinstance(entry, TrustedCertificateEntry):
        trusted = _attribute(oid.TRUSTED_KEY_USAGE, der.object_identifier(oid.ANY_EXTENDED_KEY_USAGE))
        return _Written(entry, (), (_certificate_bag(entry.certificate, name, trusted),), ())
    if isinstance(entry, SecretKeyEntry):
        return _Written(entry, (_secret_bag(alias, entry, protection, name),), (), ())
    # Unique to the entry, not to its key: a key may stand under two aliases with different certificates.
    key_id = _attribute(oid.LOCAL_KEY_ID, der.octet_string(hashlib.sha256(alias.encode()).digest()[:20]))
    digests = tuple(digest_of(certificate) for certificate in entry.chain)
    chain = _attribute(oid.CHAIN, der.octet_string(b"".join(digests)))
    key_bag = _key_bag(entry, protection, name, key_id, chain)
    return _Written(entry, (key_bag,), (_certificate_bag(entry.certificate, name, key_id),), digests)


def decode_pkcs12(data: bytes, password: Secret | KnownBags, source: str) -> dict[str, Entry]:
    """Read a PKCS #12 file, sorted by alias.

    An entry without a usable friendlyName gets a number as its alias, one whose alias is taken a suffix.

    Args:
        data: The file's content.
        password: Its password, or what is known of the file already.
        source: Where it comes from, for messages.

    Raises:
        WrongPasswordError: The MAC does not hold under this password.
        DamagedKeystoreError: The content is no PKCS #12.
        UnsupportedOperationError: It holds what is not supported.
    """
    try:
        known = _known_of(password)
        return assemble(_read_bags(_authenticated_safes(data, known.keys, source), known))
    except (UnknownAlgorithmError, UnsupportedAlgorithm, EntryError, ForeignContentError) as error:
        advice = "; `openssl pkcs12` and `keytool` can convert it"
        raise UnsupportedOperationError(f"read {source}", f"{error}{advice}") from error
    except (ValueError, x509.InvalidVersion) as error:
        raise DamagedKeystoreError(source, str(error)) from error


def _known_of(password: Secret | KnownBags) -> KnownBags:
    return password if isinstance(password, KnownBags) else KnownBags(DerivedKeys(password))


def _authenticated_safes(data: bytes, keys: DerivedKeys, source: str) -> Element:
    """The AuthenticatedSafe, after a check of its MAC."""
    fields = der.decode(data).children()
    if (version := fields.next().integer()) != _VERSION:
        raise DerError(f"it is of version {version}, PKCS #12 is {_VERSION}")
    kind, content = _read_content_info(fields.next())
    if kind == oid.SIGNED_DATA:
        raise UnknownAlgorithmError("it is protected by a signature, not by a password")
    if kind != oid.DATA:
        raise DerError(f"its content is of a kind ({kind}) that no keystore is of")
    safes = content.expect(der.OCTET_STRING)
    if fields.at_end:
        raise DerError("it has no MAC, so whether it was altered cannot be told")
    if not mac_holds(fields.next(), safes, keys):
        if _is_proven(der.decode(safes), Decryptor(keys, MOST_ITERATIONS)):
            raise DerError("it was altered: the password is right, and yet its MAC does not hold")
        raise WrongPasswordError(source)
    return der.decode(safes)


def _is_proven(safes: Element, decryptor: Decryptor) -> bool:
    """Whether the password decrypts some part, of which not everything may be as it was."""
    for algorithm, ciphertext in _encrypted_parts(safes):
        try:
            decrypted = decryptor.decrypt_altered(algorithm, ciphertext)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if any(mark in decrypted for mark in oid.MARKS):
            return True
    return False


def _encrypted_parts(safes: Element) -> Iterator[tuple[Element, bytes]]:
    """What is encrypted, with its AlgorithmIdentifier; DerError where the structure round it is broken."""
    for content_info in safes.children():
        kind, content = _read_content_info(content_info)
        if kind == oid.ENCRYPTED_DATA:
            yield _encrypted_content(content)
        elif kind == oid.DATA:
            for bag in der.decode(content.expect(der.OCTET_STRING)).children():
                fields = bag.children()
                if fields.next().object_identifier() == oid.SHROUDED_KEY_BAG:
                    key_fields = der.decode(fields.next().expect(_EXPLICIT_0)).children()
                    yield key_fields.next(), key_fields.next().expect(der.OCTET_STRING)


def _read_bags(safes: Element, known: KnownBags) -> Contents:
    decryptor = Decryptor(known.keys)
    contents = Contents()
    read: dict[bytes, tuple[Bag, _Content]] = {}
    for content_info in safes.children():
        kind, content = _read_content_info(content_info)
        if kind == oid.DATA:
            bags = content.expect(der.OCTET_STRING)
        elif kind == oid.ENCRYPTED_DATA:
            bags = decryptor.decrypt(*_encrypted_content(content))
        else:
            raise UnknownAlgorithmError(f"a part of it is protected in a way ({kind}) that is not supported")
        for element in der.decode(bags).children():
            bag, value = read[element.encoded] = known.read(element.encoded) or _read_bag(element, decryptor)
            if isinstance(value, SoftwarePrivateKey):
                contents.keys.append((bag, value))
            elif isinstance(value, SecretKeyEntry):
                contents.secrets.append((bag, value))
            else:
                contents.certificates.append((bag, value))
    known.now_read(read)
    return contents


def _read_bag(element: Element, decryptor: Decryptor) -> tuple[Bag, _Content]:
    fields = element.children()
    kind = fields.next().object_identifier()
    value = der.decode(fields.next().expect(_EXPLICIT_0))
    bag = Bag() if fields.at_end else _read_attributes(fields.next())
    if kind == oid.CERT_BAG:
        certificate_fields = value.children()
        if (form := certificate_fields.next().object_identifier()) != oid.X509_CERTIFICATE:
            raise ForeignContentError(f"it holds a certificate that is not X.509 ({form})")
        encoded = der.decode(certificate_fields.next().expect(_EXPLICIT_0)).expect(der.OCTET_STRING)
        certificate = x509.load_der_x509_certificate(encoded)
        bag.digest = digest_of(certificate)
        return bag, certificate
    if kind == oid.SHROUDED_KEY_BAG:
        key_fields = value.children()
        private_key_info = decryptor.decrypt(key_fields.next(), key_fields.next().expect(der.OCTET_STRING))
        return bag, _read_key(private_key_info)
    if kind == oid.KEY_BAG:
        return bag, _read_key(value.encoded)
    if kind == oid.SECRET_BAG:
        return bag, _read_secret(value, decryptor)
    raise ForeignContentError(f"it holds something (bag type {kind}) that this keystore does not keep")


def _read_key(private_key_info: bytes) -> SoftwarePrivateKey:
    try:
        # The MAC holds, so the key is as it was written; to prove its primes once more would take 20 ms for each key.
        key = load_der_private_key(private_key_info, None, unsafe_skip_rsa_key_validation=True)
    except TypeError as error:  # what cryptography raises where a key is encrypted once more
        raise DerError(str(error)) from error
    return SoftwarePrivateKey(key)


def _read_secret(value: Element, decryptor: Decryptor) -> SecretKeyEntry:
    """A secret key as Java writes it: shrouded like a private key, inside of an OCTET STRING."""
    fields = value.children()
    if (kind := fields.next().object_identifier()) != oid.SHROUDED_KEY_BAG:
        raise ForeignContentError(f"it holds a secret (type {kind}) that this keystore does not keep")
    shrouded = der.decode(der.decode(fields.next().expect(_EXPLICIT_0)).expect(der.OCTET_STRING)).children()
    info = der.decode(decryptor.decrypt(shrouded.next(), shrouded.next().expect(der.OCTET_STRING))).children()
    info.next().integer()
    algorithm = info.next().children().next().object_identifier()
    return SecretKeyEntry(oid.SECRET_KEY_ALGORITHMS.get(algorithm, algorithm), info.next().expect(der.OCTET_STRING))


def _read_attributes(attributes: Element) -> Bag:
    bag = Bag()
    for attribute in attributes.children(der.SET):
        fields = attribute.children()
        kind = fields.next().object_identifier()
        values = fields.next().children(der.SET)
        if kind == oid.TRUSTED_KEY_USAGE:
            bag.trusted = True
        elif values.at_end:
            continue
        elif kind == oid.FRIENDLY_NAME:
            bag.name = _usable(values.next().expect(der.BMP_STRING).decode("utf-16-be", "replace"))
        elif kind == oid.LOCAL_KEY_ID:
            bag.key_id = values.next().expect(der.OCTET_STRING)
        elif kind == oid.CHAIN:
            digests = values.next().expect(der.OCTET_STRING)
            bag.chain = tuple(digests[start : start + 32] for start in range(0, len(digests), 32))
    return bag


def _usable(name: str) -> str | None:
    try:
        return check_alias(name)
    except AliasError:
        return None


def _key_bag(entry: PrivateKeyEntry, protection: Protection, *attributes: bytes) -> bytes:
    material = entry.key.export().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    algorithm, ciphertext = protection.encrypt(material)
    return _bag(oid.SHROUDED_KEY_BAG, der.sequence(algorithm, der.octet_string(ciphertext)), attributes)


def _secret_bag(alias: str, entry: SecretKeyEntry, protection: Protection, name: bytes) -> bytes:
    by_name = {known: identifier for identifier, known in oid.SECRET_KEY_ALGORITHMS.items()}
    identifier = by_name.get(entry.algorithm, entry.algorithm)
    try:
        algorithm = der.sequence(der.object_identifier(identifier))
    except ValueError:
        known = ", ".join(sorted(by_name))
        raise UnsupportedOperationError(
            f"store {alias}", f"{entry.algorithm} is neither an object identifier nor one of {known}"
        ) from None
    info = der.sequence(der.integer(0), algorithm, der.octet_string(entry.reveal()))
    encryption, ciphertext = protection.encrypt(info)
    shrouded = der.octet_string(der.sequence(encryption, der.octet_string(ciphertext)))
    value = der.sequence(der.object_identifier(oid.SHROUDED_KEY_BAG), der.encode(_EXPLICIT_0, shrouded))
    return _bag(oid.SECRET_BAG, value, (name,))


def _certificate_bag(certificate: x509.Certificate, *attributes: bytes) -> bytes:
    encoded = der.encode(_EXPLICIT_0, der.octet_string(certificate.public_bytes(Encoding.DER)))
    value = der.sequence(der.object_identifier(oid.X509_CERTIFICATE), encoded)
    return _bag(oid.CERT_BAG, value, attributes)


def _bag(kind: str, value: bytes, attributes: Iterable[bytes]) -> bytes:
    described = list(attributes)
    return der.sequence(
        der.object_identifier(kind),
        der.encode(_EXPLICIT_0, value),
        der.set_of(described) if described else b"",
    )


def _attribute(kind: str, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(kind), der.set_of([value]))


def _content_info(kind: str, content: bytes) -> bytes:
    return der.sequence(der.object_identifier(kind), der.encode(_EXPLICIT_0, content))


def _read_content_info(element: Element) -> tuple[str, Element]:
    fields = element.children()
    kind = fields.next().object_identifier()
    return kind, der.decode(fields.next().expect(_EXPLICIT_0))


def _encrypted_data(content: bytes, protection: Protection) -> bytes:
    algorithm, ciphertext = protection.encrypt(content)
    info = der.sequence(der.object_identifier(oid.DATA), algorithm, der.encode(_IMPLICIT_OCTETS_0, ciphertext))
    return der.sequence(der.integer(0), info)


def _encrypted_content(element: Element) -> tuple[Element, bytes]:
    """The AlgorithmIdentifier and the ciphertext of EncryptedData."""
    fields = element.children()
    fields.next().integer()
    info = fields.next().children()
    info.next().object_identifier()
    algorithm, content = info.next(), info.next()
    if content.tag == _IMPLICIT_OCTETS_0:
        return algorithm, content.content
    return algorithm, b"".join(part.expect(der.OCTET_STRING) for part in Reader(content.expect(_EXPLICIT_0)))
