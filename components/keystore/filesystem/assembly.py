"""From the bags of a PKCS #12 file to entries: which certificate is of which key, and which chain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore.entries import Entry, PrivateKeyEntry, SecretKeyEntry, TrustedCertificateEntry

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore.keys import SoftwarePrivateKey


class ForeignContentError(Exception):
    """The file is sound, but holds what this keystore cannot keep."""


@dataclass(slots=True)
class Bag:
    """The attributes of a bag, as far as they matter; `digest` is that of the certificate in it, if it holds one."""

    name: str | None = None
    key_id: bytes | None = None
    trusted: bool = False
    chain: tuple[bytes, ...] = ()
    digest: bytes = b""


@dataclass(slots=True)
class Contents:
    """Everything in a file."""

    keys: list[tuple[Bag, SoftwarePrivateKey]] = field(default_factory=list)
    certificates: list[tuple[Bag, x509.Certificate]] = field(default_factory=list)
    secrets: list[tuple[Bag, SecretKeyEntry]] = field(default_factory=list)


def assemble(contents: Contents) -> dict[str, Entry]:
    """Make entries of bags: keys with their chains first, then the certificates that no chain has used."""
    entries = _Entries()
    pool = _Pool(contents.certificates)
    in_chains: set[bytes] = set()
    for bag, key in contents.keys:
        own_bag, own = pool.own_certificate(bag, key)
        chain = pool.recorded_chain(bag, own)
        if chain:
            in_chains.update(bag.chain)
        else:
            chain = issued_chain(own, pool.by_subject)
            in_chains.update(map(digest_of, chain))
        entries.add(bag.name or own_bag.name, PrivateKeyEntry(key, chain))
    for bag, secret in contents.secrets:
        entries.add(bag.name, secret)
    for bag, certificate in contents.certificates:
        if bag.trusted or bag.digest not in in_chains:
            entries.add(bag.name, TrustedCertificateEntry(certificate))
    return dict(sorted(entries.by_alias.items()))


class _Entries:
    """Entries by alias, each with an alias of its own."""

    def __init__(self) -> None:
        self.by_alias: dict[str, Entry] = {}
        self._numbers: dict[str | None, int] = {}

    def add(self, wanted: str | None, entry: Entry) -> None:
        alias = wanted
        while alias is None or alias in self.by_alias:
            number = self._numbers[wanted] = self._numbers.get(wanted, 0) + 1
            alias = str(number) if wanted is None else f"{wanted}-{number}"
        self.by_alias[alias] = entry


class _Pool:
    """The certificates of a file, found by what is asked for; each index is made when it is first needed."""

    def __init__(self, certificates: list[tuple[Bag, x509.Certificate]]) -> None:
        self._certificates = certificates

    def own_certificate(self, bag: Bag, key: SoftwarePrivateKey) -> tuple[Bag, x509.Certificate]:
        """The certificate of a key: that with its id, else the first with its public key."""
        for pair in self._by_key_id.get(bag.key_id or b"", ()):
            if _public_key_of(pair[1]) == _encoded(key):
                return pair
        fitting = self._by_public_key.get(_encoded(key))
        if fitting is None:
            raise ForeignContentError(f"it holds a key (name {bag.name!r}) without a certificate")
        return fitting

    def recorded_chain(self, bag: Bag, own: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The chain that the key was stored with; empty if that is not known or no longer here."""
        chain = tuple(self._by_digest[digest] for digest in bag.chain if digest in self._by_digest)
        complete = len(chain) == len(bag.chain) and chain[:1] == (own,)
        return chain if complete else ()

    @cached_property
    def by_subject(self) -> dict[bytes, list[x509.Certificate]]:
        return index_by_subject([certificate for _, certificate in self._certificates])

    @cached_property
    def _by_digest(self) -> dict[bytes, x509.Certificate]:
        return {bag.digest: certificate for bag, certificate in self._certificates}

    @cached_property
    def _by_key_id(self) -> dict[bytes, list[tuple[Bag, x509.Certificate]]]:
        found: dict[bytes, list[tuple[Bag, x509.Certificate]]] = {}
        for pair in self._certificates:
            if pair[0].key_id is not None and not pair[0].trusted:
                found.setdefault(pair[0].key_id, []).append(pair)
        return found

    @cached_property
    def _by_public_key(self) -> dict[bytes | None, tuple[Bag, x509.Certificate]]:
        found: dict[bytes | None, tuple[Bag, x509.Certificate]] = {}
        for pair in self._certificates:
            if not pair[0].trusted:
                found.setdefault(_public_key_of(pair[1]), pair)
        return found


def index_by_subject(certificates: list[x509.Certificate]) -> dict[bytes, list[x509.Certificate]]:
    """Certificates by their subject in DER; those whose subject cannot be read are left out."""
    found: dict[bytes, list[x509.Certificate]] = {}
    for certificate in certificates:
        if (name := _name(certificate, "subject")) is not None:
            found.setdefault(name, []).append(certificate)
    return found


def issued_chain(
    own: x509.Certificate, by_subject: dict[bytes, list[x509.Certificate]]
) -> tuple[x509.Certificate, ...]:
    """The chain as issuers tell it, up to a self-issued certificate or to where the issuer is not here."""
    chain = [own]
    while (name := _name(chain[-1], "issuer")) is not None and name != _name(chain[-1], "subject"):
        issuer = next(
            (each for each in by_subject.get(name, ()) if each not in chain and _issued(each, chain[-1])), None
        )
        if issuer is None:
            break
        chain.append(issuer)
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(certificate: x509.Certificate, field: str) -> bytes | None:
    try:
        name: x509.Name = getattr(certificate, field)
        return name.public_bytes()
    except (ValueError, TypeError):  # a certificate may be trusted and yet be odd
        return None


def _public_key_of(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _encoded(key: SoftwarePrivateKey) -> bytes:
    return key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def digest_of(certificate: x509.Certificate) -> bytes:
    """The SHA-256 digest of a certificate."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
